//! Putting products on sale, adjusting their stock and listing them.

use crate::support::{shop, units_in_stock};
use local::World;
use serde_json::json;

const PEN: &str = "/api/v1/admin/products/pen";

#[tokio::test]
async fn a_product_is_created_replaced_and_shown() {
    let world = World::new().await;
    let operator = world.operator();
    let put =
        json!({ "name": "Pen", "category": "desk", "price": 1_000, "description": "It writes." });
    let created = operator.put(PEN, &put).await;
    let shown = json!({
        "productId": "pen", "name": "Pen", "category": "desk", "description": "It writes.", "price": 1_000, "quantity": 0,
        "status": "ACTIVE", "createdAt": created.json()["createdAt"], "updatedAt": created.json()["createdAt"],
    });
    assert_eq!((created.status, created.json()), (200, shown.clone()));
    assert_eq!(world.anyone().get("/products/pen").await.json(), shown);
    operator.post(&format!("{PEN}/stock"), &json!({ "delta": 5 })).await;
    let changed = operator
        .put(PEN, &json!({ "name": "Pen", "category": "desk", "price": 900, "status": "INACTIVE" }))
        .await;
    let shown = json!({
        "productId": "pen", "name": "Pen", "category": "desk", "price": 900, "quantity": 5, "status": "INACTIVE",
        "createdAt": created.json()["createdAt"], "updatedAt": changed.json()["updatedAt"],
    });
    assert_ne!(shown["createdAt"], shown["updatedAt"]);
    assert_eq!(changed.json(), shown, "omitted fields are removed, the stock is unchanged");
    let dear = operator
        .put(PEN, &json!({ "name": "Pen", "category": "desk", "price": 1_000_000_001 }))
        .await;
    assert_eq!((dear.status, dear.problem().as_str()), (400, "invalid-price"));
}

#[tokio::test]
async fn stock_is_adjusted_once_per_key_and_never_below_zero() {
    let world = shop().await;
    let (operator, path) = (world.operator(), format!("{PEN}/stock"));
    let first = operator.post_once(&path, &json!({ "delta": 5, "reason": "delivery" }), "k").await;
    assert_eq!((first.status, first.json()), (200, json!({ "productId": "pen", "quantity": 15 })));
    operator.post(&path, &json!({ "delta": -1 })).await;
    let again = operator.post_once(&path, &json!({ "delta": 5, "reason": "delivery" }), "k").await;
    assert_eq!((again.is_replayed(), again.body), (true, first.body));
    let other = operator.post_once(&path, &json!({ "delta": 6, "reason": "delivery" }), "k").await;
    assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-key-reused"));
    let short = operator.post(&path, &json!({ "delta": -15 })).await;
    assert_eq!((short.status, short.problem().as_str()), (409, "out-of-stock"));
    assert_eq!((&short.json()["requested"], &short.json()["available"]), (&json!(15), &json!(14)));
    assert_eq!(units_in_stock(&world, "pen").await, 14);
    for delta in [0, 1_000_001, -1_000_001] {
        let refused = operator.post(&path, &json!({ "delta": delta })).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (400, "invalid-quantity"),
            "{delta}"
        );
    }
    let unknown = operator.post("/api/v1/admin/products/cup/stock", &json!({ "delta": 1 })).await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (400, "invalid-product"));
}

#[tokio::test]
async fn an_unknown_product_is_reported() {
    let world = World::new().await;
    let refused = world.anyone().get("/products/cup").await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "invalid-product"));
    assert_eq!(refused.json()["productId"], json!("cup"));
}

#[tokio::test]
async fn products_are_listed_by_category_and_store_page_by_page() {
    let world = World::new().await;
    for (id, category, store) in [
        ("a", "x", None),
        ("b", "y", Some("s1")),
        ("c", "x", Some("s1")),
        ("d", "x", None),
        ("e", "x", None),
    ] {
        let put = json!({ "name": id, "category": category, "price": 1, "storeId": store });
        assert_eq!(
            world.operator().put(&format!("/api/v1/admin/products/{id}"), &put).await.status,
            200
        );
    }
    let listed = async |query: &str| {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page =
                world.anyone().get(&format!("/products?limit=2{query}{cursor}")).await.json();
            ids.extend(
                page["products"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|product| product["productId"].as_str().unwrap().to_owned()),
            );
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids.concat(),
            }
        }
    };
    assert_eq!(listed("").await, "abcde");
    assert_eq!(listed("&category=x").await, "acde");
    assert_eq!(listed("&storeId=s1").await, "bc");
    assert_eq!(listed("&storeId=s1&category=x").await, "c");
    assert_eq!(listed("&category=nothing").await, "");
}
