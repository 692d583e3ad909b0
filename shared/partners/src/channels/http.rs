//! Any system that lists its orders over HTTP.
//!
//! The system responds to `GET {url}?updatedSince=&cursor=` with `{orders, nextCursor?}`. Each
//! order has the shape that `PUT /integrations/orders/{source}/{externalOrderId}` accepts, with its
//! `externalOrderId`. A bearer token authenticates the caller.
//!
//! Each listing contains the whole order: a missing line is cancelled. Payments beyond the prices
//! of the lines, such as a delivery fee, are not part of an order. This is the same for every
//! channel.
//!
//! An operator provides the URL. The same rules apply to it as to the URLs of webhook receivers:
//! https on public addresses.

use super::{
    Channel, ChannelError, Cursor, InvalidCredentials, Kind, Page, Product, Window, credentials,
    query_value, read_each, send,
};
use crate::receiver::{self, Reach};
use domain::{
    CampaignId, CustomerId, ExternalOrderId, ProductId, Timestamp, Won,
    channel::{ChannelOrderUpdate, Item, Recipient},
    delivery::{Delivery, Shipment},
    external::ReportedStatus,
};
use futures::future::BoxFuture;
use reqwest::{Client, Url, header::AUTHORIZATION};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, time::Duration};

pub(super) static KIND: Kind = Kind {
    name: "HTTP",
    url_variable: None,
    calls_per_second: 4,
    lists_by_placing: false,
    first_reach: Duration::from_hours(30 * 24),
    overlap: Duration::from_mins(5),
    repacks: false,
    has_catalogue: false,
    step_takes: Duration::from_secs(40),
    credentials_last: None,
    account: |value, reach| {
        let known = credentials::<Credentials>(value)?.checked(reach)?;
        Ok(Some(known.0.to_string()))
    },
    open: |_, value, reach| {
        let (url, token) = credentials::<Credentials>(value)?.checked(reach)?;
        let client = receiver::client_within(reach, &url, TIMEOUT);
        let client = client.map_err(|error| {
            InvalidCredentials(format!("the HTTP client could not be created: {error}"))
        })?;
        Ok(Box::new(System { client, url, token }))
    },
};

/// The timeout of a call.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The longest cursor, in bytes. Cursors are stored between calls.
const MAX_CURSOR: usize = 2_000;

/// The longest token, in characters.
const MAX_TOKEN: usize = 2_000;

/// The URL of the system, and the bearer token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    url: String,
    token: String,
}

impl Credentials {
    fn checked(self, reach: Reach) -> Result<(Url, String), InvalidCredentials> {
        let url = reach.check(&self.url).map_err(|unsafe_url| {
            InvalidCredentials(format!("must have a valid `url`: it {unsafe_url}"))
        })?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidCredentials("must have a `url` without query and fragment".into()));
        }
        let is_token = (1..=MAX_TOKEN).contains(&self.token.len())
            && self.token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_token {
            Ok((url, self.token))
        } else {
            Err(InvalidCredentials(format!(
                "must have a `token` of 1 to {MAX_TOKEN} characters without spaces"
            )))
        }
    }
}

struct System {
    client: Client,
    url: Url,
    token: String,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// A position in the listing of changes.
#[derive(Serialize, Deserialize)]
struct Changes {
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// A page of orders.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    orders: Vec<Value>,
    #[serde(default)]
    next_cursor: Option<String>,
}

/// An order: the fields that are used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    external_order_id: ExternalOrderId,
    status: ReportedStatus,
    customer_id: CustomerId,
    #[serde(default)]
    campaign_id: Option<CampaignId>,
    items: Vec<Line>,
    #[serde(default)]
    discount_amount: Option<Won>,
    #[serde(default)]
    total_amount: Option<Won>,
    #[serde(default)]
    payment: Option<Payment>,
    #[serde(default)]
    delivery: Option<Delivery>,
    #[serde(default)]
    shipment: Option<Shipment>,
    placed_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    product_id: ProductId,
    quantity: u32,
    unit_price: Won,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    #[serde(default)]
    paid_at: Option<Timestamp>,
}

impl Order {
    fn into_update(self) -> Result<ChannelOrderUpdate, ChannelError> {
        let too_large = |_| ChannelError::Unavailable("an amount is too large".into());
        let mut products: BTreeMap<String, (Line, Won)> = BTreeMap::new();
        let mut sum = Won::ZERO;
        for line in self.items {
            let price = line.unit_price.times(line.quantity).map_err(too_large)?;
            sum = sum.plus(price).map_err(too_large)?;
            match products.get_mut(line.product_id.as_str()) {
                Some((known, known_price)) if known.unit_price == line.unit_price => {
                    known.quantity = known.quantity.saturating_add(line.quantity);
                    *known_price = known_price.plus(price).map_err(too_large)?;
                }
                Some(_) => {
                    return Err(ChannelError::Unavailable("a product has two prices".into()));
                }
                None => drop(products.insert(line.product_id.to_string(), (line, price))),
            }
        }
        if products.is_empty() || products.values().any(|(line, _)| line.quantity == 0) {
            return Err(ChannelError::Unavailable(
                "an order has no items, or an item has no units".into(),
            ));
        }
        let paid = self
            .total_amount
            .unwrap_or_else(|| sum.less(self.discount_amount.unwrap_or(Won::ZERO)));
        let mut discount = sum.less(paid).max(Won::ZERO);
        let (status, channel_status) = match self.status {
            ReportedStatus::Known(status) => (Some(status), status.to_string()),
            ReportedStatus::Other(word) => (None, word),
        };
        let shipment = self.shipment.filter(|shipment| shipment.check().is_ok());
        let mut items = BTreeMap::new();
        for (id, (line, price)) in products {
            // The discount is for the whole order. Each item takes as much of it as its price
            // allows.
            let taken = discount.min(price);
            discount = discount.less(taken);
            let item = Item {
                product_id: line.product_id,
                name: id.clone(),
                ordered: line.quantity,
                cancelled: 0,
                held: 0,
                unit_price: line.unit_price,
                discount: taken,
                status,
                channel_status: channel_status.clone(),
                inflow: None,
                shipment: shipment.clone(),
            };
            items.insert(id.clone(), BTreeMap::from([(id, item)]));
        }
        let recipient = self.delivery.map(|delivery| Recipient {
            name: delivery.recipient.unwrap_or_default(),
            phone: Some(delivery.phone.as_str().to_owned()),
            address: delivery.address,
            post_code: delivery.postcode,
            message: delivery.memo,
        });
        Ok(ChannelOrderUpdate {
            placed_at: Some(self.placed_at),
            paid_at: self.payment.and_then(|payment| payment.paid_at),
            customer_id: Some(self.customer_id),
            campaign_id: self.campaign_id,
            recipient,
            items,
            is_whole: true,
            ..ChannelOrderUpdate::of(self.external_order_id)
        })
    }
}

impl System {
    async fn list(&self, at: &Changes) -> Result<Listed, ChannelError> {
        let cursor = at.cursor.as_deref().map(|cursor| format!("&cursor={}", query_value(cursor)));
        let mut url = self.url.clone();
        let since = query_value(&at.since.to_string());
        url.set_query(Some(&format!("updatedSince={since}{}", cursor.unwrap_or_default())));
        let request = self.client.get(url).timeout(TIMEOUT);
        let response =
            send(request.header(AUTHORIZATION, format!("Bearer {}", self.token))).await?;
        if response.status.is_success() { response.read() } else { Err(response.error()) }
    }
}

impl Channel for System {
    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<(), ChannelError>> {
        Box::pin(async move { self.list(&Changes { since: now, cursor: None }).await.map(drop) })
    }

    fn begin(&self, from: Timestamp, now: Timestamp, _: Duration) -> Result<Window, ChannelError> {
        Ok(Window { first: Cursor::of(Changes { since: from, cursor: None })?, until: now })
    }

    fn orders<'a>(
        &'a self,
        cursor: &'a Cursor,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Page<ChannelOrderUpdate>, ChannelError>> {
        Box::pin(async move {
            let at: Changes = cursor.read()?;
            let listed = self.list(&at).await?;
            let cursor = listed.next_cursor.filter(|cursor| !cursor.is_empty());
            if cursor.as_ref().is_some_and(|cursor| {
                cursor.len() > MAX_CURSOR || Some(cursor) == at.cursor.as_ref()
            }) {
                return Err(ChannelError::Unavailable(
                    "the next cursor of a page is too long, or the same as its own".into(),
                ));
            }
            let (entries, malformed) =
                read_each(listed.orders, "/externalOrderId", Order::into_update);
            let next = cursor
                .map(|cursor| Cursor::of(Changes { cursor: Some(cursor), ..at }))
                .transpose()?;
            Ok(Page { entries, next, malformed, cool_down: Duration::ZERO })
        })
    }

    /// The system does not list products.
    fn products<'a>(
        &'a self,
        _: Option<&'a Cursor>,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Page<Product>, ChannelError>> {
        Box::pin(async {
            Ok(Page {
                entries: Vec::new(),
                next: None,
                malformed: Vec::new(),
                cool_down: Duration::ZERO,
            })
        })
    }

    fn set_stock<'a>(
        &'a self,
        _: &'a ProductId,
        _: u32,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), ChannelError>> {
        Box::pin(async {
            Err(ChannelError::Rejected("this channel does not accept stock levels".into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::order::Status;
    use serde_json::json;

    #[test]
    fn a_listed_order_becomes_an_order_update() {
        let update = |change: Value| {
            let mut order = json!({
                "externalOrderId": "e-1", "status": "shipped", "customerId": "c9", "campaignId": "spring",
                "items": [
                    { "productId": "cup", "quantity": 1, "unitPrice": 1_000 },
                    { "productId": "bowl", "quantity": 1, "unitPrice": 500 },
                    { "productId": "cup", "quantity": 1, "unitPrice": 1_000 },
                ],
                "totalAmount": 1_800, "placedAt": "2026-01-05T03:00:00Z",
            });
            for (name, value) in change.as_object().unwrap() {
                order[name] = value.clone();
            }
            serde_json::from_value::<Order>(order).ok().and_then(|order| order.into_update().ok())
        };
        let order = update(json!({})).unwrap();
        let item = |id: &str| (order.items[id][id].ordered, order.items[id][id].discount.get());
        assert_eq!(
            (item("bowl"), item("cup")),
            ((1, 500), (2, 200)),
            "the discount of 700 is spread over the items"
        );
        assert_eq!(order.items["cup"]["cup"].status, Some(Status::Shipped));
        assert_eq!(order.customer_id.unwrap().as_str(), "c9");
        let unknown = update(json!({ "status": "IN_TRANSIT" })).unwrap();
        let item = &unknown.items["cup"]["cup"];
        assert_eq!((item.status, item.channel_status.as_str()), (None, "IN_TRANSIT"));
        for wrong in [
            json!({ "items": [] }),
            json!({ "items": [{ "productId": "cup", "quantity": 0, "unitPrice": 1 }] }),
            json!({ "customerId": "" }),
        ] {
            assert!(update(wrong.clone()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn only_safe_urls_are_accepted() {
        let account =
            |url: &str| (KIND.account)(&json!({ "url": url, "token": "t" }), Reach::default());
        assert_eq!(
            account("https://shop.example/orders"),
            Ok(Some("https://shop.example/orders".into()))
        );
        for bad in [
            "http://shop.example",
            "https://10.0.0.1",
            "https://localhost",
            "https://shop.example/?x=1",
        ] {
            assert!(account(bad).is_err(), "{bad}");
        }
    }
}
