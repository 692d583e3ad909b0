//! Reservations: the stock that a customer's unpaid orders keep from everybody else. Their number and size are limited, else somebody
//! without money could empty the shop.

use crate::{OrderId, ProductId, Refusal, order::Order};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the unpaid orders of one customer hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservations {
    /// How often they changed.
    pub version: u64,
    /// The units of each product, by order.
    pub orders: BTreeMap<OrderId, BTreeMap<ProductId, u32>>,
}

/// How much the unpaid orders of one customer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationLimits {
    /// Orders.
    pub orders: u32,
    /// Units of one product, over all of them.
    pub units: u32,
}

/// The units of each product that an order holds.
pub fn reserved_units(order: &Order) -> BTreeMap<ProductId, u32> {
    order.lines.iter().map(|line| (line.product_id.clone(), line.quantity.get())).collect()
}

impl Reservations {
    /// These holds and those of a new order, unless a limit is reached.
    pub fn with(&self, order: &Order, limits: ReservationLimits) -> Result<Self, Refusal> {
        if self.orders.len() >= usize::try_from(limits.orders).unwrap_or(usize::MAX) {
            return Err(Refusal::TooManyUnpaidOrders { limit: limits.orders });
        }
        let mut holds = Self { version: self.version + 1, orders: self.orders.clone() };
        holds.orders.insert(order.order_id.clone(), reserved_units(order));
        for line in &order.lines {
            let held = holds.orders.values().filter_map(|units| units.get(&line.product_id));
            if held.fold(0_u32, |sum, units| sum.saturating_add(*units)) > limits.units {
                return Err(Refusal::TooManyUnpaidUnits { product_id: line.product_id.clone(), limit: limits.units });
            }
        }
        Ok(holds)
    }
}
