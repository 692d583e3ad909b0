//! Fulfilment: stores accept and cook orders, riders and carriers deliver them, and customers
//! confirm the delivery. Read models show stores, riders and customers the orders that concern
//! them.
//!
//! Placing and paying an order must never depend on this crate: it changes the status of paid
//! orders, and consumes their events.

pub mod accept_order;
pub mod confirm_delivery;
pub mod find_deliveries;
pub mod finish_cooking;
mod geography;
pub mod get_order_view;
pub mod get_store;
pub mod list_order_views;
pub mod list_store_orders;
pub mod list_stores;
pub mod pick_up_order;
pub mod project_deliveries;
pub mod project_order_views;
pub mod project_store_board;
pub mod put_store;
pub mod reject_order;
pub mod ship_order;
pub mod start_cooking;
pub mod unassign_order;
mod view;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        put_store::function(),
        list_stores::function(),
        get_store::function(),
        list_store_orders::function(),
        accept_order::function(),
        reject_order::function(),
        start_cooking::function(),
        finish_cooking::function(),
        find_deliveries::function(),
        pick_up_order::function(),
        unassign_order::function(),
        confirm_delivery::function(),
        ship_order::function(),
        get_order_view::function(),
        list_order_views::function(),
        project_order_views::function(),
        project_store_board::function(),
        project_deliveries::function(),
    ]
}
