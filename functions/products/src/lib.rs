//! Products: creates and changes them, adjusts their stock, and shows them.
//!
//! This crate must never take stock for an order: that is part of placing the order.

pub mod adjust_stock;
pub mod get_product;
pub mod list_products;
pub mod patch_product;
pub mod put_product;

use domain::{ProductId, StoreId, Timestamp, Won, product::ProductStatus};
use edge::Function;
use schemars::JsonSchema;
use serde::Serialize;
use store::products::StockedProduct;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        put_product::function(),
        patch_product::function(),
        adjust_stock::function(),
        get_product::function(),
        list_products::function(),
    ]
}

/// A product in a response.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// The merchant's id of the product.
    product_id: ProductId,
    /// The name that customers see.
    name: String,
    /// The category under which the product is listed.
    category: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The price of one unit in won.
    price: Won,
    /// Units in stock, exact at the time of the read.
    quantity: i64,
    /// Whether the product can be ordered.
    status: ProductStatus,
    /// The store that prepares the product. Orders of it are delivered by riders.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_id: Option<StoreId>,
    /// When the product was created.
    created_at: Timestamp,
    /// When the product was last changed. Stock changes do not count.
    updated_at: Timestamp,
}

impl From<StockedProduct> for Product {
    fn from(StockedProduct { product, quantity, version: _ }: StockedProduct) -> Self {
        Self {
            product_id: product.product_id,
            name: product.name,
            category: product.category,
            description: product.description,
            price: product.price.won(),
            quantity,
            status: product.status,
            store_id: product.store_id,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}
