//! Sales channels: the orders that marketplaces report, and the single order that we derive from
//! these reports.
//!
//! A marketplace reports an order in parts: items, each in one or several parcels, and claims,
//! which cancel units of items. [`ChannelOrderState`] holds the last reported state of each item
//! and claim.

mod order_state;
mod parcels;

pub use order_state::{ChannelItemState, ChannelOrderState, Line, Reservation, StockChange};
pub use parcels::Parcel;

use crate::{
    CampaignId, CustomerId, ExternalOrderId, ProductId, Timestamp, Won, delivery::Shipment,
    status::Status,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// An update of a marketplace's order: the whole order, or some of its items and claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOrderUpdate {
    /// The marketplace's id of the order.
    pub external_order_id: ExternalOrderId,
    /// When the order was placed. `None` if the update has only claims.
    pub placed_at: Option<Timestamp>,
    /// When the order was paid, if it was paid.
    pub paid_at: Option<Timestamp>,
    /// The marketplace's identifier of the buyer, if it reports one.
    pub buyer: Option<String>,
    /// The customer, if the other system knows our customers.
    pub customer_id: Option<CustomerId>,
    /// The campaign that brought the customer, if the other system reports it.
    pub campaign_id: Option<CampaignId>,
    /// The recipient of the order.
    pub recipient: Option<Recipient>,
    /// The items by the marketplace's item id, then by its parcel id: the part of the item in each
    /// parcel.
    pub items: BTreeMap<String, BTreeMap<String, Item>>,
    /// The claims by the marketplace's claim id.
    pub claims: BTreeMap<String, Claim>,
    /// Whether the update lists every parcel of every item that the marketplace still reports.
    /// Units that a whole update does not list count as cancelled.
    pub is_whole: bool,
}

/// The recipient of a parcel. This is personal data: it is stored apart from the order, and only
/// for a limited time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The recipient's name.
    pub name: String,
    /// The recipient's phone number, or a temporary number that forwards to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The recipient's address.
    pub address: String,
    /// The postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_code: Option<String>,
    /// The recipient's note for the carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient(…)")
    }
}

/// An item of a marketplace's order, or the part of it that is in one parcel. Each is shipped and
/// cancelled separately and has its own status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The marketplace's id of the product.
    pub product_id: ProductId,
    /// The marketplace's name of the product.
    pub name: String,
    /// Units ordered.
    pub ordered: u32,
    /// Units cancelled, as reported with the item itself. Claims are reported separately.
    pub cancelled: u32,
    /// Units with a pending cancellation request, as reported with the item itself. They must not
    /// be shipped until the request is decided.
    #[serde(default)]
    pub held: u32,
    /// The price of one unit.
    pub unit_price: Won,
    /// The discount on the units that are not cancelled. If all units are cancelled, the discount
    /// on all of them.
    pub discount: Won,
    /// Our status for the item. `None` if the marketplace's status is unknown to us.
    pub status: Option<Status>,
    /// The item's status in the marketplace's own words.
    pub channel_status: String,
    /// How the buyer found the item, in the marketplace's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inflow: Option<String>,
    /// The carrier and tracking number, if the item was shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipment: Option<Shipment>,
}

/// A claim: the cancellation or return of some units of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The id of the item.
    pub item_id: String,
    /// The marketplace's id of the product.
    pub product_id: ProductId,
    /// The marketplace's name of the product.
    pub name: String,
    /// Units of the item that were ordered.
    pub ordered: u32,
    /// The claimed units, by the parcel that they were in.
    pub units: BTreeMap<String, u32>,
    /// Whether the claim is completed. Otherwise it is still under review.
    pub is_done: bool,
    /// When the claim was made.
    pub made_at: Timestamp,
}

impl ChannelOrderUpdate {
    /// An update without items, claims or times.
    pub const fn of(external_order_id: ExternalOrderId) -> Self {
        Self {
            external_order_id,
            placed_at: None,
            paid_at: None,
            buyer: None,
            customer_id: None,
            campaign_id: None,
            recipient: None,
            items: BTreeMap::new(),
            claims: BTreeMap::new(),
            is_whole: false,
        }
    }

    /// Merges two updates of one order; `other` is the later one. The later state of a parcel
    /// replaces the earlier one. If `other` has the whole order, its items replace all items.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        if other.is_whole {
            self.items.clear();
        }
        for (id, parcels) in other.items {
            self.items.entry(id).or_default().extend(parcels);
        }
        self.claims.extend(other.claims);
        Self {
            is_whole: self.is_whole || other.is_whole,
            placed_at: self.placed_at.into_iter().chain(other.placed_at).min(),
            paid_at: self.paid_at.into_iter().chain(other.paid_at).min(),
            buyer: self.buyer.or(other.buyer),
            customer_id: self.customer_id.or(other.customer_id),
            campaign_id: self.campaign_id.or(other.campaign_id),
            recipient: other.recipient.or(self.recipient),
            ..self
        }
    }

    /// When the order was placed. If the update has only claims, the time of the earliest claim,
    /// because the order cannot be younger.
    pub fn placed_at_least(&self) -> Option<Timestamp> {
        self.placed_at.or_else(|| self.claims.values().map(|claim| claim.made_at).min())
    }
}

impl Claim {
    /// The number of claimed units in all parcels.
    pub(crate) fn quantity(&self) -> u32 {
        self.units.values().fold(0, |sum, units| sum.saturating_add(*units))
    }

    /// A cancelled item, built from the claim alone. It is used for an item of which nothing else
    /// is known.
    pub(crate) fn item(&self) -> Item {
        Item {
            product_id: self.product_id.clone(),
            name: self.name.clone(),
            ordered: self.ordered,
            cancelled: 0,
            held: 0,
            unit_price: Won::ZERO,
            discount: Won::ZERO,
            status: Some(Status::Cancelled),
            channel_status: String::new(),
            inflow: None,
            shipment: None,
        }
    }
}
