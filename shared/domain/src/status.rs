//! The states of an order. The transitions between them are in [`crate::lifecycle`].

use crate::{
    RiderId,
    delivery::{Handover, Shipment},
};
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::Error},
};
use std::{fmt, str::FromStr};

/// The state of an order: its status, with the data that only an order in this status has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum State {
    /// Stock is reserved and payment is due (재고 확보).
    StockAllocated,
    /// The order is paid (주문완료).
    Paid,
    /// The store accepted the order (수락).
    Accepted,
    /// The store is cooking (요리시작).
    Cooking,
    /// The order is ready for a rider (요리완료).
    Cooked,
    /// A rider picked up the order (픽업).
    PickedUp {
        /// The rider's id.
        rider_id: RiderId,
    },
    /// A carrier has the parcel (발송).
    Shipped(Shipment),
    /// The customer received the order (배송확인).
    Completed(Handover),
    /// The customer cancelled the order before cooking started (취소).
    Cancelled {
        /// The reason in the customer's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The store rejected the order (거절).
    Rejected {
        /// The reason in the store's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The order was not paid in time (만료).
    Expired,
}

/// The status of an order, without further data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "State documents each of them")]
pub enum Status {
    StockAllocated,
    Paid,
    Accepted,
    Cooking,
    Cooked,
    PickedUp,
    Shipped,
    Completed,
    Cancelled,
    Rejected,
    Expired,
}

/// The text is not a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a status of an order, such as PAID")]
pub struct InvalidOrderStatus;

impl FromStr for Status {
    type Err = InvalidOrderStatus;

    fn from_str(name: &str) -> Result<Self, InvalidOrderStatus> {
        let name: serde::de::value::StrDeserializer<'_, Error> = name.into_deserializer();
        Self::deserialize(name).map_err(|_| InvalidOrderStatus)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl State {
    /// The status of this state.
    pub const fn status(&self) -> Status {
        match self {
            Self::StockAllocated => Status::StockAllocated,
            Self::Paid => Status::Paid,
            Self::Accepted => Status::Accepted,
            Self::Cooking => Status::Cooking,
            Self::Cooked => Status::Cooked,
            Self::PickedUp { .. } => Status::PickedUp,
            Self::Shipped(_) => Status::Shipped,
            Self::Completed(_) => Status::Completed,
            Self::Cancelled { .. } => Status::Cancelled,
            Self::Rejected { .. } => Status::Rejected,
            Self::Expired => Status::Expired,
        }
    }

    /// The rider who is delivering or has delivered the order.
    pub(crate) const fn rider_id(&self) -> Option<&RiderId> {
        match self {
            Self::PickedUp { rider_id } | Self::Completed(Handover::Rider { rider_id }) => {
                Some(rider_id)
            }
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::Shipped(_)
            | Self::Completed(Handover::Carrier(_))
            | Self::Cancelled { .. }
            | Self::Rejected { .. }
            | Self::Expired => None,
        }
    }

    /// The parcel, if the order was shipped.
    pub(crate) const fn shipment(&self) -> Option<&Shipment> {
        match self {
            Self::Shipped(shipment) | Self::Completed(Handover::Carrier(shipment)) => {
                Some(shipment)
            }
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp { .. }
            | Self::Completed(Handover::Rider { .. })
            | Self::Cancelled { .. }
            | Self::Rejected { .. }
            | Self::Expired => None,
        }
    }

    /// The reason for the cancellation or rejection, in the words of its author.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Cancelled { reason } | Self::Rejected { reason } => reason.as_deref(),
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp { .. }
            | Self::Shipped(_)
            | Self::Completed(_)
            | Self::Expired => None,
        }
    }
}

impl Status {
    /// Whether the status is final. A charge may still be refunded.
    pub const fn is_end(self) -> bool {
        match self {
            Self::Completed | Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp
            | Self::Shipped => false,
        }
    }

    /// Whether the order ended without a sale. Its stock was released, and it no longer counts as a
    /// sale.
    pub const fn is_aborted(self) -> bool {
        match self {
            Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp
            | Self::Shipped
            | Self::Completed => false,
        }
    }
}
