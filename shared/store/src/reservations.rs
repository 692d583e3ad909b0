//! Stock reserved by the unpaid orders of a customer: one row for each customer.

use crate::{
    CustomerReservations, Item, Write,
    item::{number, read, row},
    keys,
};
use domain::{CustomerId, Fault, OrderId, reservations::Reservations};

/// Reads the reservations from a row. Empty if there is no row.
pub(crate) fn holds_in(row: Option<Item>) -> Result<Reservations, Fault> {
    row.map(read).transpose().map(Option::unwrap_or_default)
}

impl CustomerReservations<'_> {
    /// Replaces a customer's reservations, if they are unchanged since they were read
    /// (`holds.version` is one more than then).
    pub fn put(self, customer: &CustomerId, holds: &Reservations) -> Result<Write, Fault> {
        let put = Write::put(&self.0.tables.customers, row(&keys::holds(customer), holds)?);
        Ok(match holds.version {
            1 => put.when_new(),
            version => put
                .when("version = :seen")
                .value(":seen", number(i64::try_from(version - 1).unwrap_or(i64::MAX))),
        })
    }

    /// Ends the reservation of an order, because it was paid or has ended.
    pub(crate) fn release(self, customer: &CustomerId, order: &OrderId) -> Write {
        let expression = "SET version = version + :one REMOVE orders.#order";
        Write::update(&self.0.tables.customers, keys::holds(customer), expression)
            .when("attribute_exists(orders.#order)")
            .name("#order", order.as_str())
            .value(":one", number(1))
    }
}
