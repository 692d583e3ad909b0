//! Admin: the audit of the books, the API document, and the response to unknown paths.
//!
//! This is the only context that depends on others, and only on their routes: it must never call
//! their handlers.

pub mod api_docs;
pub mod audit_books;
mod contract;
pub mod get_audit;
pub mod no_such_route;
pub mod rebuild_views;
pub mod service_info;

pub use contract::problems;

use edge::{Function, Route};

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        audit_books::function(),
        rebuild_views::function(),
        get_audit::function(),
        api_docs::function(),
        service_info::function(),
        no_such_route::function(),
    ]
}

/// Every route of the API, in the order of the document.
pub const ROUTES: &[Route] = &[
    points::charge_points::ROUTE,
    points::get_charge::ROUTE,
    points::get_points::ROUTE,
    points::list_point_history::ROUTE,
    products::list_products::ROUTE,
    products::get_product::ROUTE,
    rankings::top_sellers::ROUTE,
    products::put_product::ROUTE,
    products::patch_product::ROUTE,
    products::adjust_stock::ROUTE,
    orders::place_order::ROUTE,
    orders::pay_order::ROUTE,
    orders::cancel_order::ROUTE,
    orders::get_order::ROUTE,
    orders::list_order_payments::ROUTE,
    orders::list_orders::ROUTE,
    integration::collect_order::ROUTE,
    integration::update_collected_order::ROUTE,
    integration::list_changed_orders::ROUTE,
    integration::get_integration_order::ROUTE,
    integration::get_integration_order::ROUTE_BY_SOURCE,
    integration::list_source_orders::ROUTE,
    outbound::list_webhooks::ROUTE,
    outbound::put_webhook::ROUTE,
    outbound::get_webhook::ROUTE,
    outbound::delete_webhook::ROUTE,
    outbound::rotate_webhook_secret::ROUTE,
    outbound::list_webhook_deliveries::ROUTE,
    outbound::replay_webhook_delivery::ROUTE,
    campaigns::list_campaign_orders::ROUTE,
    campaigns::campaign_statistics::ROUTE,
    channels::create_channel::ROUTE,
    channels::list_channels::ROUTE,
    channels::get_channel::ROUTE,
    channels::update_channel::ROUTE,
    channels::delete_channel::ROUTE,
    channels::test_channel::ROUTE,
    channels::collect_channel_now::ROUTE,
    channels::list_channel_runs::ROUTE,
    channels::list_channel_products::ROUTE,
    channels::map_channel_product::ROUTE,
    channels::list_channel_orders::ROUTE,
    carts::get_cart::ROUTE,
    carts::put_cart_item::ROUTE,
    carts::remove_cart_item::ROUTE,
    carts::clear_cart::ROUTE,
    carts::order_cart::ROUTE,
    coupons::put_coupon_source::ROUTE,
    coupons::issue_coupon::ROUTE,
    coupons::list_coupons::ROUTE,
    fulfilment::put_store::ROUTE,
    fulfilment::list_stores::ROUTE,
    fulfilment::get_store::ROUTE,
    fulfilment::list_store_orders::ROUTE,
    fulfilment::accept_order::ROUTE,
    fulfilment::reject_order::ROUTE,
    fulfilment::start_cooking::ROUTE,
    fulfilment::finish_cooking::ROUTE,
    fulfilment::find_deliveries::ROUTE,
    fulfilment::pick_up_order::ROUTE,
    fulfilment::unassign_order::ROUTE,
    fulfilment::confirm_delivery::ROUTE,
    fulfilment::ship_order::ROUTE,
    fulfilment::get_order_view::ROUTE,
    fulfilment::list_order_views::ROUTE,
    customers::get_customer::ROUTE,
    customers::put_customer::ROUTE,
    customers::verify_phone::ROUTE,
    get_audit::ROUTE,
    service_info::ROOT,
    service_info::HEALTH,
    api_docs::DOCUMENT,
    api_docs::PAGE,
];
