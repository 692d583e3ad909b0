//! Carts: what a customer has in mind, until it is ordered.
//!
//! A cart promises nothing: this crate must never hold stock or a price for it. An order that is made of a cart is an order
//! like any other, so placing it is the business of `orders`, which this context uses.

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

/// A cart as it is shown, with prices and stock of this moment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cart {
    /// Whose it is.
    customer_id: CustomerId,
    /// What is in it, by product id.
    items: Vec<CartItem>,
    /// What it all costs now.
    total_amount: i64,
}

/// One product of a cart.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CartItem {
    /// Which product.
    product_id: ProductId,
    /// Its name.
    name: String,
    /// How many units are wanted.
    #[schemars(with = "u32", range(min = 1, max = 9999))]
    quantity: Quantity,
    /// The price of one unit.
    unit_price: Won,
    /// Units left.
    available: i64,
}

/// A cart with what its products are now; products that exist no more are left out.
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
    // More than an order may cost: a cart is only a wish.
    let total_amount = items.iter().map(|item| item.unit_price.get() * i64::from(item.quantity)).sum();
    Ok(Cart { customer_id, items, total_amount })
}
