//! An order's view as it is shown.

use domain::{StoreId, Timestamp, delivery::Degrees, order::Status, phone::PhoneNumber, store::StoreProfile};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    notifications::{Channel, Notification, NotificationStatus},
    order_views::OrderView,
};

/// One page of state: the order with every step and its time, its store, how far it has come, and what the customer was
/// told of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderViewResponse {
    /// The order.
    #[serde(flatten)]
    order: events::Order,
    /// The store, for an order of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<OrderStore>,
    /// How far the order has come on its way to the customer.
    delivery_state: DeliveryState,
    /// What the customer was told, the first first.
    notifications: Vec<NotificationAnswer>,
}

/// A store, as far as it is known.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderStore {
    /// The store.
    store_id: StoreId,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Its latitude in decimal degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<Degrees>,
    /// Its longitude in decimal degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    lng: Option<Degrees>,
    /// Its phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<PhoneNumber>,
}

/// How far an order has come on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DeliveryState {
    /// It is not ready yet.
    Preparing,
    /// It waits for a rider.
    WaitingForRider,
    /// A rider or a carrier has it.
    OnTheWay,
    /// The customer has it.
    Delivered,
    /// It will not come.
    CalledOff,
}

impl From<Status> for DeliveryState {
    fn from(status: Status) -> Self {
        match status {
            Status::StockAllocated | Status::Paid | Status::Accepted | Status::Cooking => Self::Preparing,
            Status::Cooked => Self::WaitingForRider,
            Status::PickedUp | Status::Shipped => Self::OnTheWay,
            Status::Completed => Self::Delivered,
            Status::Cancelled | Status::Rejected | Status::Expired => Self::CalledOff,
        }
    }
}

/// Something that the customer was told.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationAnswer {
    /// Of which status of the order.
    order_status: Status,
    /// Of which version of the order.
    version: u32,
    /// By which channel.
    channel: Channel,
    /// What became of it; SHED is dropped because there was too much to send.
    status: NotificationStatus,
    /// Since when.
    at: Timestamp,
}

impl From<Notification> for NotificationAnswer {
    fn from(Notification { version, order_status, channel, status, at, code: _ }: Notification) -> Self {
        Self { order_status, version, channel, status, at }
    }
}

/// A view with what is known of its store now.
pub(crate) fn shown(OrderView { order, notifications }: OrderView, stores: &[StoreProfile]) -> OrderViewResponse {
    let store = order.store_id.clone().map(|store_id| {
        let known = stores.iter().find(|store| store.store_id == store_id);
        OrderStore {
            name: known.map(|store| store.name.clone()),
            lat: known.map(|store| store.position.lat),
            lng: known.map(|store| store.position.lng),
            phone: known.map(|store| store.phone.clone()),
            store_id,
        }
    });
    let notifications = notifications.into_iter().map(NotificationAnswer::from).collect();
    OrderViewResponse { delivery_state: order.status.into(), order, store, notifications }
}
