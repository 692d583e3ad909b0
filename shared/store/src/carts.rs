//! Carts: an expiring row for each line, and a row with the cart's version.

use crate::{
    Carts, Transaction, Write,
    item::{number, read, row, text, whole},
    keys,
    read::Query,
};
use domain::{CustomerId, Fault, ProductId, Timestamp, basket::Quantity};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a line stays in the cart after it was last put.
pub const LINE_RETENTION: Duration = Duration::from_hours(30 * 24);

/// A customer's cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// The number of times that a line was put. The row that counts them expires with the youngest
    /// line.
    pub version: i64,
    /// The lines, by product id.
    pub lines: Vec<CartLine>,
}

/// One product in a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CartLine {
    /// The product's id.
    pub product_id: ProductId,
    /// The number of units.
    pub quantity: Quantity,
    /// When the line was last put.
    pub put_at: Timestamp,
    /// The cart version in which the line was last put.
    pub put_in: i64,
}

impl Carts<'_> {
    /// A customer's cart (strongly consistent), without expired lines.
    pub async fn get(self, customer: &CustomerId, now: Timestamp) -> Result<Cart, Fault> {
        let pk = keys::customer(customer);
        let query = Query {
            table: &self.0.tables.customers,
            pk: &pk,
            prefix: keys::CART,
            newest_first: false,
        };
        let whole_cart = keys::cart(customer);
        let mut cart = Cart { version: 0, lines: Vec::new() };
        for item in self.0.query_all(&query).await? {
            if item.get("sk").and_then(|sk| sk.as_s().ok()) == Some(&whole_cart.sk) {
                cart.version = whole(&item, "version")?;
            } else {
                cart.lines.push(read(item)?);
            }
        }
        // DynamoDB deletes expired rows with a delay.
        cart.lines.retain(|line: &CartLine| now < line.put_at.plus(LINE_RETENTION));
        Ok(cart)
    }

    /// Increments the cart's version, if the cart is unchanged since it was read.
    pub fn count_change(self, customer: &CustomerId, seen: &Cart, now: Timestamp) -> Write {
        let key = keys::cart(customer);
        let set = "SET version = :next, expiresAt = :expiry";
        let unchanged =
            if seen.version == 0 { "attribute_not_exists(pk)" } else { "version = :seen" };
        let update = Write::update(&self.0.tables.customers, key, set).when(unchanged);
        let update =
            update.value(":next", number(seen.version + 1)).value(":expiry", number(expiry(now)));
        if seen.version == 0 { update } else { update.value(":seen", number(seen.version)) }
    }

    /// Puts a line into a cart, and replaces any line of the same product. Commit it together with
    /// [`Carts::count_change`].
    pub fn put_line(self, customer: &CustomerId, line: &CartLine) -> Result<Write, Fault> {
        let mut item = row(&keys::cart_line(customer, &line.product_id), line)?;
        item.insert("expiresAt".into(), number(expiry(line.put_at)));
        Ok(Write::put(&self.0.tables.customers, item))
    }

    /// Removes products from a cart. There is no condition: a product that is not in the cart is
    /// ignored.
    pub async fn remove_lines(
        self,
        customer: &CustomerId,
        products: &[ProductId],
    ) -> Result<(), Fault> {
        let delete =
            |product| Write::delete(&self.0.tables.customers, keys::cart_line(customer, product));
        let removal = products
            .iter()
            .fold(Transaction::default(), |all, product| all.with(delete(product), ()));
        if products.is_empty() {
            return Ok(());
        }
        removal.commit_unconditional(self.0).await
    }

    /// Removes a line that is being ordered, if it is unchanged since it was read.
    pub fn take_line(self, customer: &CustomerId, seen: &CartLine) -> Write {
        Write::delete(&self.0.tables.customers, keys::cart_line(customer, &seen.product_id))
            .when("putIn = :in AND putAt = :at AND quantity = :quantity")
            .value(":in", number(seen.put_in))
            .value(":at", text(seen.put_at))
            .value(":quantity", number(seen.quantity.into()))
    }
}

fn expiry(now: Timestamp) -> i64 {
    // One second after the line expires, because lines expire to the millisecond.
    now.plus(LINE_RETENTION).seconds() + 1
}
