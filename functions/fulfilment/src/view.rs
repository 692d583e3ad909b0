//! The response of the order view routes.

use domain::{
    StoreId, Timestamp, order::Status, phone::PhoneNumber, position::Degrees, store::StoreProfile,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    notifications::{Channel, Notification, NotificationStatus},
    order_views::OrderView,
};

/// An order with its timeline, its store, its delivery state and the notifications of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderViewResponse {
    /// The order.
    #[serde(flatten)]
    order: events::Order,
    /// The store, if the order is of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<OrderStore>,
    /// The progress of the order towards the customer.
    delivery_state: DeliveryState,
    /// The notifications sent to the customer, oldest first.
    notifications: Vec<NotificationResponse>,
}

/// A store. Everything but the id is omitted if the store has no profile.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderStore {
    /// The store's id.
    store_id: StoreId,
    /// The store's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The store's latitude in decimal degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<Degrees>,
    /// The store's longitude in decimal degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    lng: Option<Degrees>,
    /// The store's phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<PhoneNumber>,
}

/// The progress of an order towards the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DeliveryState {
    /// The order is not ready yet.
    Preparing,
    /// The order waits for a rider.
    WaitingForRider,
    /// A rider or a carrier has the order.
    OnTheWay,
    /// The customer has received the order.
    Delivered,
    /// The order was cancelled, was rejected or expired.
    CalledOff,
}

impl From<Status> for DeliveryState {
    fn from(status: Status) -> Self {
        match status {
            Status::StockAllocated | Status::Paid | Status::Accepted | Status::Cooking => {
                Self::Preparing
            }
            Status::Cooked => Self::WaitingForRider,
            Status::PickedUp | Status::Shipped => Self::OnTheWay,
            Status::Completed => Self::Delivered,
            Status::Cancelled | Status::Rejected | Status::Expired => Self::CalledOff,
        }
    }
}

/// A notification of an order.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationResponse {
    /// The order's status that it reports.
    order_status: Status,
    /// The order's version that it reports.
    version: u32,
    /// The channel.
    channel: Channel,
    /// The status of the notification. `SHED`: it was dropped because there was too much to send.
    status: NotificationStatus,
    /// When the notification reached this status.
    at: Timestamp,
}

impl From<Notification> for NotificationResponse {
    fn from(
        Notification { version, order_status, channel, status, at, code: _ }: Notification,
    ) -> Self {
        Self { order_status, version, channel, status, at }
    }
}

/// The response for a view, with the current profile of its store.
pub(crate) fn shown(
    OrderView { order, notifications }: OrderView,
    stores: &[StoreProfile],
) -> OrderViewResponse {
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
    let notifications = notifications.into_iter().map(NotificationResponse::from).collect();
    OrderViewResponse { delivery_state: order.status.into(), order, store, notifications }
}
