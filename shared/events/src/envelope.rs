//! The one envelope of every event, on the bus and over HTTP.

use crate::Order;
use domain::{
    Timestamp,
    order::{Change, Status},
};
use serde::{Deserialize, Serialize};

/// A CloudEvents 1.0 JSON object. `timestamp` (equal to `time`) is an extension attribute, so that the same bytes are a
/// Standard Webhooks payload too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The CloudEvents version: always `1.0`.
    pub specversion: String,
    /// What happened, once and for all: `<orderId>#<version>`. Repeats have the same id.
    pub id: String,
    /// Who tells: always `/orders`.
    pub source: String,
    /// What happened, with the version of its shape: `order.paid.v1`.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// When it happened.
    pub time: Timestamp,
    /// The order's id.
    pub subject: String,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// Equal to `time`.
    pub timestamp: Timestamp,
    /// What it happened to, as it was just after.
    pub data: T,
}

macro_rules! event_types {
    (status $($status:ident = $wire:literal)* ; turn $($turn:ident = $turn_wire:literal)*) => {
        /// What can happen to an order: one type for each status that it can take, and for each turn of its payment alone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[expect(missing_docs, reason = "each is named by the change of the order")]
        pub enum EventType {
            $(#[serde(rename = $wire)] $status,)*
            $(#[serde(rename = $turn_wire)] $turn,)*
        }

        impl EventType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$status,)* $(Self::$turn,)*];

            /// Whether the order took another status.
            pub const fn is_of_status(self) -> bool {
                match self {
                    $(Self::$status => true,)*
                    $(Self::$turn => false,)*
                }
            }

            /// The type on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$status => $wire,)*
                    $(Self::$turn => $turn_wire,)*
                }
            }
        }

        impl From<Change> for EventType {
            fn from(change: Change) -> Self {
                match change {
                    $(Change::Status(Status::$status) => Self::$status,)*
                    $(Change::$turn => Self::$turn,)*
                }
            }
        }
    };
}

event_types! {
    status
    StockAllocated = "order.stock-allocated.v1"
    Paid = "order.paid.v1"
    Accepted = "order.accepted.v1"
    Cooking = "order.cooking.v1"
    Cooked = "order.cooked.v1"
    PickedUp = "order.picked-up.v1"
    Shipped = "order.shipped.v1"
    Completed = "order.completed.v1"
    Cancelled = "order.cancelled.v1"
    Rejected = "order.rejected.v1"
    Expired = "order.expired.v1"
    ;
    turn
    PaymentFailed = "order.payment-failed.v1"
    RefundStarted = "order.refund-started.v1"
    Refunded = "order.refunded.v1"
    Updated = "order.updated.v1"
}

/// The event that an order's latest change is.
pub fn order_event(order: Order, last_change: Change) -> Envelope<Order> {
    Envelope {
        specversion: "1.0".into(),
        id: format!("{}#{}", order.order_id, order.version),
        source: "/orders".into(),
        event_type: last_change.into(),
        time: order.updated_at,
        subject: order.order_id.to_string(),
        datacontenttype: "application/json".into(),
        timestamp: order.updated_at,
        data: order,
    }
}
