//! The demo shop: a few products, a store with food for delivery, marketplace accounts, and a
//! customer with points.

use crate::{Failure, Platform};
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Method, Uri, header},
};
use serde_json::{Value, json};

/// Creates the demo shop. It also names the demo customer and the demo store.
#[derive(Debug)]
pub struct Demo;

impl Demo {
    /// The id of the demo customer.
    pub const CUSTOMER: &str = "minji";

    /// The id of the store whose food is delivered.
    pub const STORE: &str = "mapo-bunsik";

    /// Products for retail: id, name, category, price in won, stock.
    const PRODUCTS: [(&str, &str, &str, i64, i64); 6] = [
        ("americano", "Americano", "coffee", 4_500, 200),
        ("latte", "Caffè latte", "coffee", 5_000, 200),
        ("espresso", "Espresso", "coffee", 3_500, 100),
        ("scone", "Butter scone", "bakery", 3_800, 40),
        ("croissant", "Croissant", "bakery", 4_200, 40),
        ("mug", "Jumun mug", "goods", 18_000, 10),
    ];

    /// Food of the store: id, name, category, price in won, stock.
    const MENU: [(&str, &str, &str, i64, i64); 2] =
        [("tteokbokki", "떡볶이", "bunsik", 6_500, 100), ("gimbap", "김밥", "bunsik", 4_000, 100)];

    /// The shop's marketplace accounts: the partner stub, the channel type, the channel name.
    const CHANNELS: [(&str, &str, &str); 2] =
        [("coupang", "COUPANG", "Coupang"), ("smartstore", "SMARTSTORE", "Smartstore")];

    /// Creates the shop through the platform's own API and returns `true`. If the demo customer's
    /// points ledger has entries, the shop already exists: returns `false` and changes nothing.
    pub async fn open(platform: &Platform) -> Result<bool, Failure> {
        let history = format!("/points/{}/history", Self::CUSTOMER);
        if call(platform, Method::GET, &history, None).await?["entries"] != json!([]) {
            return Ok(false);
        }
        let store = json!({ "name": "마포분식", "lat": 37.5536, "lng": 126.9214, "phone": "02-123-4567", "open": true });
        call(platform, Method::PUT, &format!("/api/v1/admin/stores/{}", Self::STORE), Some(store))
            .await?;
        let goods = Self::PRODUCTS.map(|product| (product, None));
        let food = Self::MENU.map(|product| (product, Some(Self::STORE)));
        for ((id, name, category, price, stock), store) in goods.into_iter().chain(food) {
            let mut product = json!({ "name": name, "category": category, "price": price });
            if let Some(store) = store {
                product["storeId"] = json!(store);
            }
            let path = format!("/api/v1/admin/products/{id}");
            call(platform, Method::PUT, &path, Some(product)).await?;
            let delivery = json!({ "delta": stock, "reason": "opening stock" });
            call(platform, Method::POST, &format!("{path}/stock"), Some(delivery)).await?;
        }
        let charge = json!({ "customerId": Self::CUSTOMER, "amount": 100_000 });
        call(platform, Method::POST, "/points/charge", Some(charge)).await?;
        Ok(true)
    }

    /// Registers a channel for each marketplace account and starts its first collection.
    pub async fn open_channels(platform: &Platform) -> Result<(), Failure> {
        for (partner, kind, name) in Self::CHANNELS {
            let credentials = platform
                .partners
                .get(partner)
                .map(|partner| partner.credentials["shops"][0].clone());
            let channel = json!({ "name": name, "type": kind, "credentials": credentials, "intervalMinutes": 10 });
            let path = "/api/v1/admin/channels";
            let channel = call_once(platform, Method::POST, path, Some(channel), partner).await?;
            let path =
                format!("{path}/{}/collect", channel["channelId"].as_str().unwrap_or_default());
            call(platform, Method::POST, &path, None).await?;
        }
        Ok(())
    }

    /// Stages data at the marketplace stubs: mugs, and three orders of them at each marketplace.
    /// The stubs do not store their data, so each new process stages it again.
    pub fn stage(platform: &Platform) -> Result<(), Failure> {
        for (partner, product, first, status) in [
            ("coupang", 3_242_596_358_u64, 22_000_009_546_234_u64, "ACCEPT"),
            ("smartstore", 7_001, 2_026_010_500_001, "PAYED"),
        ] {
            let Some(partner) = platform.partners.get(partner) else { continue };
            partner.stage(
                &json!({ "product": { "product": product, "name": "Jumun mug", "price": 18_000, "stock": 10 } }),
            )?;
            for number in 0..3_u64 {
                let item = json!({ "item": 642_538_970_006_401_000_u64 + number, "product": product, "quantity": number + 1, "price": 18_000 });
                partner.stage(
                    &json!({ "place": { "order": first + number, "status": status, "buyer": "7001", "items": [item] } }),
                )?;
            }
        }
        Ok(())
    }
}

async fn call(
    platform: &Platform,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Value, Failure> {
    call_once(platform, method, path, body, "demo").await
}

async fn call_once(
    platform: &Platform,
    method: Method,
    path: &str,
    body: Option<Value>,
    key: &'static str,
) -> Result<Value, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("idempotency-key", HeaderValue::from_static(key));
    let token = crate::TokenRequest {
        sub: "demo".into(),
        role: "operator".into(),
        store_id: None,
        scope: None,
        ttl_seconds: None,
    };
    let token = platform.http_api.tokens.issue(&token, platform.clock.now())?;
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let response = platform.respond(method, path.parse::<Uri>()?, headers, body).await;
    let (status, body) =
        (response.status(), axum::body::to_bytes(response.into_body(), usize::MAX).await?);
    if !status.is_success() {
        return Err(
            format!("cannot create the demo shop: {}", String::from_utf8_lossy(&body)).into()
        );
    }
    Ok(serde_json::from_slice(&body)?)
}
