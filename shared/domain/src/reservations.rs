//! Reservations: the stock that is reserved for a customer's unpaid orders. Their number and size
//! are limited. Otherwise, a caller without money could reserve the whole stock of the shop.

use crate::{OrderId, ProductId, Refusal, order::Order};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The reservations of one customer's unpaid orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservations {
    /// The number of changes so far.
    pub version: u64,
    /// The reserved units of each product, by order.
    pub orders: BTreeMap<OrderId, BTreeMap<ProductId, u32>>,
}

/// The limits for the unpaid orders of one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationLimits {
    /// The maximum number of unpaid orders.
    pub orders: u32,
    /// The maximum number of units of one product in all unpaid orders.
    pub units: u32,
}

/// The units of each product that an order reserves.
pub fn reserved_units(order: &Order) -> BTreeMap<ProductId, u32> {
    order.lines.iter().map(|line| (line.product_id.clone(), line.quantity.get())).collect()
}

impl Reservations {
    /// The reservations with those of a new order added. Refused if a limit is exceeded.
    pub fn with(&self, order: &Order, limits: ReservationLimits) -> Result<Self, Refusal> {
        if self.orders.len() >= usize::try_from(limits.orders).unwrap_or(usize::MAX) {
            return Err(Refusal::TooManyUnpaidOrders { limit: limits.orders });
        }
        let mut reservations = Self { version: self.version + 1, orders: self.orders.clone() };
        reservations.orders.insert(order.order_id.clone(), reserved_units(order));
        for line in &order.lines {
            let reserved =
                reservations.orders.values().filter_map(|units| units.get(&line.product_id));
            if reserved.fold(0_u32, |sum, units| sum.saturating_add(*units)) > limits.units {
                return Err(Refusal::TooManyUnpaidUnits {
                    product_id: line.product_id.clone(),
                    limit: limits.units,
                });
            }
        }
        Ok(reservations)
    }
}
