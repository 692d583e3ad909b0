//! Products: putting them on sale, adjusting their stock, showing them.
//!
//! This crate must never take stock for an order: that is part of placing it.

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

/// A product as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// The merchant's id.
    product_id: ProductId,
    /// The name customers read.
    name: String,
    /// The category it is listed under.
    category: String,
    /// A longer text.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The price of one unit.
    price: Won,
    /// Units left, exact at the moment of reading.
    quantity: i64,
    /// Whether it can be ordered.
    status: ProductStatus,
    /// The store that makes it; its orders are delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_id: Option<StoreId>,
    /// When it was first put.
    created_at: Timestamp,
    /// When it was last changed; its stock aside.
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
