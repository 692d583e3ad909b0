//! A simulated marketplace. It generates its orders and products itself, the same for every caller,
//! and needs no network.
//!
//! A merchant can try channels with it before having an account with a marketplace.

use super::{Channel, ChannelError, Cursor, Kind, Page, Product, Window};
use domain::{
    ExternalOrderId, ProductId, Timestamp, Won,
    channel::{ChannelOrderUpdate, Item},
    order::Status,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

pub(super) static KIND: Kind = Kind {
    name: "MOCK",
    url_variable: None,
    calls_per_second: 50,
    lists_by_placing: true,
    first_reach: Duration::from_hours(30 * 24),
    overlap: Duration::ZERO,
    repacks: false,
    has_catalogue: true,
    step_takes: Duration::from_secs(20),
    credentials_last: None,
    account: |_, _| Ok(None),
    open: |_, _, _| Ok(Box::new(Mock)),
};

/// The interval between two orders, in milliseconds: 3 hours.
const ORDER_INTERVAL: i64 = 3 * 60 * 60 * 1_000;

/// Orders per page.
const PAGE_SIZE: i64 = 20;

/// The products: id, name and price in won.
const PRODUCTS: [(&str, &str, i64); 3] = [
    ("mock-cup", "A cup", 12_000),
    ("mock-plate", "A plate", 9_000),
    ("mock-spoon", "A spoon", 3_000),
];

#[derive(Debug)]
struct Mock;

/// A position: the orders with these numbers, both ends included.
#[derive(Serialize, Deserialize)]
struct Orders {
    first: i64,
    last: i64,
}

/// The order with this number, in its state at `now`. `None`: the number is out of range.
fn order(number: i64, now: Timestamp) -> Option<ChannelOrderUpdate> {
    let placed_at = Timestamp::from_millis(number.checked_mul(ORDER_INTERVAL)?);
    let place = usize::try_from(number.rem_euclid(3)).ok()?;
    let (product, name, price) = *PRODUCTS.get(place)?;
    let age = placed_at.until(now);
    let ordered = u32::try_from(number.rem_euclid(2)).ok()? + 1;
    let is_cancelled = number.rem_euclid(7) == 0 && age > Duration::from_mins(30);
    let (status, channel_status) = match age {
        _ if is_cancelled => (Status::Cancelled, "CALLED_OFF"),
        age if age < Duration::from_hours(1) => (Status::Paid, "PAID"),
        age if age < Duration::from_hours(24) => (Status::Shipped, "ON_ITS_WAY"),
        _ => (Status::Completed, "DELIVERED"),
    };
    let item = Item {
        product_id: ProductId::parse(product).ok()?,
        name: name.to_owned(),
        ordered,
        cancelled: if is_cancelled { ordered } else { 0 },
        held: 0,
        unit_price: Won::new(price).ok()?,
        discount: Won::ZERO,
        status: Some(status),
        channel_status: channel_status.to_owned(),
        inflow: None,
        shipment: None,
    };
    Some(ChannelOrderUpdate {
        placed_at: Some(placed_at),
        paid_at: Some(placed_at),
        buyer: Some(format!("buyer-{}", number.rem_euclid(5))),
        items: BTreeMap::from([("1".to_owned(), BTreeMap::from([("1".to_owned(), item)]))]),
        ..ChannelOrderUpdate::of(ExternalOrderId::parse(&format!("mock-{number}")).ok()?)
    })
}

impl Channel for Mock {
    fn check(&self, _: Timestamp) -> BoxFuture<'_, Result<(), ChannelError>> {
        Box::pin(async { Ok(()) })
    }

    fn begin(&self, from: Timestamp, now: Timestamp, _: Duration) -> Result<Window, ChannelError> {
        let first = from.millis().div_euclid(ORDER_INTERVAL);
        let last = now.millis().div_euclid(ORDER_INTERVAL);
        Ok(Window { first: Cursor::of(Orders { first, last })?, until: now })
    }

    fn orders<'a>(
        &'a self,
        cursor: &'a Cursor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<ChannelOrderUpdate>, ChannelError>> {
        Box::pin(async move {
            let Orders { first, last } = cursor.read()?;
            let end = last.min(first.saturating_add(PAGE_SIZE - 1));
            let entries = (first..=end).filter_map(|number| order(number, now)).collect();
            let next =
                (end < last).then(|| Cursor::of(Orders { first: end + 1, last })).transpose()?;
            Ok(Page { entries, next, malformed: Vec::new(), cool_down: Duration::ZERO })
        })
    }

    fn products<'a>(
        &'a self,
        _: Option<&'a Cursor>,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Page<Product>, ChannelError>> {
        let product = |(id, name, price): &(&str, &str, i64)| {
            Some(Product {
                product_id: ProductId::parse(id).ok()?,
                name: (*name).to_owned(),
                status: "ON_SALE".into(),
                price: Won::new(*price).ok(),
                stock: None,
            })
        };
        let entries = PRODUCTS.iter().filter_map(product).collect();
        Box::pin(async move {
            Ok(Page { entries, next: None, malformed: Vec::new(), cool_down: Duration::ZERO })
        })
    }

    fn set_stock<'a>(
        &'a self,
        _: &'a ProductId,
        _: u32,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), ChannelError>> {
        Box::pin(async { Ok(()) })
    }
}
