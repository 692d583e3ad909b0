//! The envelope of every event, on the bus and over HTTP.

use crate::Order;
use domain::{
    Timestamp,
    order::{Change, Status},
};
use serde::{Deserialize, Serialize};

/// A CloudEvents 1.0 JSON object. `timestamp` is an extension attribute, equal to `time`: it makes
/// the same bytes a valid Standard Webhooks payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The CloudEvents version: always `1.0`.
    pub specversion: String,
    /// The event's id: `<orderId>#<version>`. A redelivery has the same id.
    pub id: String,
    /// The event's source: always `/orders`.
    pub source: String,
    /// The event's type, with the version of its schema: `order.paid.v1`.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The time of the change.
    pub time: Timestamp,
    /// The order's id.
    pub subject: String,
    /// The media type of `data`: always `application/json`.
    pub datacontenttype: String,
    /// Equal to `time`.
    pub timestamp: Timestamp,
    /// The order immediately after the change.
    pub data: T,
}

macro_rules! event_types {
    (status $($status:ident = $wire:literal)* ; other $($other:ident = $other_wire:literal)*) => {
        /// The type of an order event: one for each status that an order can enter, and one for
        /// each change that leaves the status as it was.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[expect(missing_docs, reason = "each is named by the change of the order")]
        pub enum EventType {
            $(#[serde(rename = $wire)] $status,)*
            $(#[serde(rename = $other_wire)] $other,)*
        }

        impl EventType {
            /// Every event type.
            pub const ALL: &[Self] = &[$(Self::$status,)* $(Self::$other,)*];

            /// Whether the event is a status change.
            pub const fn is_of_status(self) -> bool {
                match self {
                    $(Self::$status => true,)*
                    $(Self::$other => false,)*
                }
            }

            /// The type on the wire, such as `order.paid.v1`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$status => $wire,)*
                    $(Self::$other => $other_wire,)*
                }
            }
        }

        impl From<Change> for EventType {
            fn from(change: Change) -> Self {
                match change {
                    $(Change::Status(Status::$status) => Self::$status,)*
                    $(Change::$other => Self::$other,)*
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
    other
    PaymentFailed = "order.payment-failed.v1"
    RefundStarted = "order.refund-started.v1"
    Refunded = "order.refunded.v1"
    Updated = "order.updated.v1"
}

/// Builds the event of an order's last change.
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
