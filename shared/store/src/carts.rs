//! Carts: a row for each line, which expires, and one that counts the changes of the whole.

use crate::{
    Carts, Transaction, Write,
    item::{number, read, row, text, whole},
    keys,
    read::Query,
};
use domain::{CustomerId, Fault, ProductId, Timestamp, basket::Quantity};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a line stays in a cart after it was last put.
pub const LINE_KEPT: Duration = Duration::from_hours(30 * 24);

/// A customer's cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// How often a line was put; the row that counts it lives as long as the youngest line.
    pub version: i64,
    /// What is in it, by product id.
    pub lines: Vec<CartLine>,
}

/// One product of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CartLine {
    /// Which product.
    pub product_id: ProductId,
    /// How many units.
    pub quantity: Quantity,
    /// When it was last put.
    pub put_at: Timestamp,
    /// In which version of the cart it was put.
    pub put_in: i64,
}

impl Carts<'_> {
    /// A customer's cart as the last write left it, without what has expired.
    pub async fn get(self, customer: &CustomerId, now: Timestamp) -> Result<Cart, Fault> {
        let pk = keys::customer(customer);
        let query = Query { table: &self.0.tables.customers, pk: &pk, prefix: keys::CART, newest_first: false };
        let whole_cart = keys::cart(customer);
        let mut cart = Cart { version: 0, lines: Vec::new() };
        for item in self.0.query_all(&query).await? {
            if item.get("sk").and_then(|sk| sk.as_s().ok()) == Some(&whole_cart.sk) {
                cart.version = whole(&item, "version")?;
            } else {
                cart.lines.push(read(item)?);
            }
        }
        // DynamoDB removes expired rows some time later.
        cart.lines.retain(|line: &CartLine| now < line.put_at.plus(LINE_KEPT));
        Ok(cart)
    }

    /// Counts a change of a cart, if it is still as it was seen.
    pub fn count_change(self, customer: &CustomerId, seen: &Cart, now: Timestamp) -> Write {
        let key = keys::cart(customer);
        let set = "SET version = :next, removeAfter = :expiry";
        let unchanged = if seen.version == 0 { "attribute_not_exists(pk)" } else { "version = :seen" };
        let update = Write::update(&self.0.tables.customers, key, set).when(unchanged);
        let update = update.value(":next", number(seen.version + 1)).value(":expiry", number(expiry(now)));
        if seen.version == 0 { update } else { update.value(":seen", number(seen.version)) }
    }

    /// Puts a line into a cart, whatever it had of that product before; [`Store::count_cart_change`] goes with it.
    pub fn put_line(self, customer: &CustomerId, line: &CartLine) -> Result<Write, Fault> {
        let mut item = row(&keys::cart_line(customer, &line.product_id), line)?;
        item.insert("removeAfter".into(), number(expiry(line.put_at)));
        Ok(Write::put(&self.0.tables.customers, item))
    }

    /// Takes products out of a cart, whether or not they are there: there is nothing to assert.
    pub async fn remove_lines(self, customer: &CustomerId, products: &[ProductId]) -> Result<(), Fault> {
        let delete = |product| Write::delete(&self.0.tables.customers, keys::cart_line(customer, product));
        let removal = products.iter().fold(Transaction::default(), |all, product| all.with(delete(product), ()));
        if products.is_empty() {
            return Ok(());
        }
        removal.commit_unconditional(self.0).await
    }

    /// Takes a line out of a cart that is ordered, if it is still as it was seen.
    pub fn take_line(self, customer: &CustomerId, seen: &CartLine) -> Write {
        Write::delete(&self.0.tables.customers, keys::cart_line(customer, &seen.product_id))
            .when("putIn = :in AND putAt = :at AND quantity = :quantity")
            .value(":in", number(seen.put_in))
            .value(":at", text(seen.put_at))
            .value(":quantity", number(seen.quantity.into()))
    }
}

fn expiry(now: Timestamp) -> i64 {
    // A second later than the line counts as expired, which is by the millisecond.
    now.plus(LINE_KEPT).seconds() + 1
}
