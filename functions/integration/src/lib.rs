//! Integration: external orders, received over HTTP and from the bus, and the change feed for other
//! systems.
//!
//! This crate must never change one of our own orders: other systems read those and write only
//! theirs.

pub mod collect_order;
pub mod collect_order_event;
pub mod get_integration_order;
pub mod list_changed_orders;
pub mod list_source_orders;
pub mod project_change_feed;
pub mod update_collected_order;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        collect_order::function(),
        update_collected_order::function(),
        collect_order_event::function(),
        list_source_orders::function(),
        get_integration_order::function(),
        list_changed_orders::function(),
        project_change_feed::function(),
    ]
}
