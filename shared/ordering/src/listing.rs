//! Lists of orders, page by page.

use domain::{InvalidId, OrderId, Timestamp};
use events::Order;
use schemars::JsonSchema;
use serde::Serialize;
use std::{fmt, str::FromStr};
use store::PageRequest;

/// A page of orders.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderList {
    /// The orders.
    orders: Vec<Order>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl OrderList {
    /// A page of these orders.
    pub const fn new(orders: Vec<Order>, next_cursor: Option<String>) -> Self {
        Self { orders, next_cursor }
    }
}

/// The position of an order in a list that is sorted by the time of placement.
#[derive(Debug)]
pub struct OrderPosition(Timestamp, OrderId);

impl FromStr for OrderPosition {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (placed_at, order) = text.split_once('#').ok_or(InvalidId)?;
        Ok(Self(placed_at.parse().map_err(|_| InvalidId)?, order.parse()?))
    }
}

impl fmt::Display for OrderPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(placed_at, order) = self;
        write!(f, "{placed_at}#{order}")
    }
}

/// The page of at most `limit` orders after a position.
pub fn page((limit, after): (u16, Option<OrderPosition>)) -> PageRequest {
    PageRequest { limit, after: after.map(|position| position.to_string()) }
}
