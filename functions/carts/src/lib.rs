//! Carts: the products that a customer intends to order.
//!
//! A cart guarantees nothing: this crate must never reserve stock or fix a price for it. An order
//! made from a cart is an ordinary order, so the crate `ordering` places it.

pub mod clear_cart;
pub mod get_cart;
pub mod order_cart;
pub mod put_cart_item;
pub mod remove_cart_item;

use domain::{CustomerId, Fault, ProductId, Won, basket::Quantity};
use edge::Function;
use schemars::JsonSchema;
use serde::Serialize;
use store::{Store, carts};

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        get_cart::function(),
        put_cart_item::function(),
        remove_cart_item::function(),
        clear_cart::function(),
        order_cart::function(),
    ]
}

/// A cart in a response, with current prices and stock.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cart {
    /// The customer's id.
    customer_id: CustomerId,
    /// The items, by product id.
    items: Vec<CartItem>,
    /// The current total in won.
    total_amount: i64,
}

/// One product in a cart.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CartItem {
    /// The product's id.
    product_id: ProductId,
    /// The product's name.
    name: String,
    /// The number of units.
    #[schemars(with = "u32", range(min = 1, max = 9999))]
    quantity: Quantity,
    /// The price of one unit in won.
    unit_price: Won,
    /// Units in stock.
    available: i64,
}

/// Adds the current data of its products to a cart. Products that no longer exist are left out.
async fn shown(store: &Store, customer_id: CustomerId, cart: carts::Cart) -> Result<Cart, Fault> {
    let products: Vec<ProductId> = cart.lines.iter().map(|line| line.product_id.clone()).collect();
    let stocked = store.products().many_with_stock(&products).await?;
    let items: Vec<CartItem> = cart
        .lines
        .into_iter()
        .zip(stocked)
        .filter_map(|(line, stocked)| {
            let stocked = stocked?;
            Some(CartItem {
                product_id: line.product_id,
                name: stocked.product.name,
                quantity: line.quantity,
                unit_price: stocked.product.price.won(),
                available: stocked.quantity,
            })
        })
        .collect();
    // The total may exceed the limit of an order, so it is not a `Won`.
    let total_amount =
        items.iter().map(|item| item.unit_price.get() * i64::from(item.quantity)).sum();
    Ok(Cart { customer_id, items, total_amount })
}
