//! Sales channels: what marketplaces tell of their orders, and the one order that it amounts to.
//!
//! A marketplace tells of an order piece by piece: items, each in one parcel or in several, and claims by which some are called
//! off. What was told of each piece last is kept ([`ChannelOrderState`]).

mod order_state;
mod parcels;

pub use order_state::{ChannelItemState, ChannelOrderState, Line, Reservation, StockChange};
pub use parcels::Parcel;

use crate::{CampaignId, CustomerId, ExternalOrderId, ProductId, Timestamp, Won, delivery::Shipment, order::Status};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What a marketplace tells of an order: all of it, or some of its pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOrderUpdate {
    /// The order's id there.
    pub external_order_id: ExternalOrderId,
    /// When it was placed; none, if only claims are told.
    pub placed_at: Option<Timestamp>,
    /// When it was paid, if it was.
    pub paid_at: Option<Timestamp>,
    /// What names the buyer there, if anything does.
    pub buyer: Option<String>,
    /// Whose it is, if that system knows our customers.
    pub customer_id: Option<CustomerId>,
    /// The campaign that brought the customer, if that system says so.
    pub campaign_id: Option<CampaignId>,
    /// To whom it goes.
    pub recipient: Option<Recipient>,
    /// Items, by their ids there: what is told of each parcel of them, by its id there.
    pub items: BTreeMap<String, BTreeMap<String, Item>>,
    /// Claims, by their ids there.
    pub claims: BTreeMap<String, Claim>,
    /// Whether this is every parcel of every item that the marketplace still tells of.
    pub is_whole: bool,
}

/// To whom a parcel goes: personal, so it is kept apart from the order, and not for long.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// Their name.
    pub name: String,
    /// Their phone, or a number that leads to it for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Where they live.
    pub address: String,
    /// The postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_code: Option<String>,
    /// What they tell the carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient(…)")
    }
}

/// An item of a marketplace's order, or what is told of it by one parcel: what ships, is called off and has a status by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The product, as the marketplace names it.
    pub product_id: ProductId,
    /// What it is called there.
    pub name: String,
    /// How many were ordered.
    pub ordered: u32,
    /// How many of them were called off, as the item itself says.
    pub cancelled: u32,
    /// How many of them are asked to be called off, and not to be shipped meanwhile, as the item itself says.
    #[serde(default)]
    pub held: u32,
    /// The price of one unit.
    pub unit_price: Won,
    /// What is taken off those that were not called off; off all, if all were.
    pub discount: Won,
    /// Where it stands; none, if what the marketplace says is not known to us.
    pub status: Option<Status>,
    /// Where it stands, in the marketplace's words.
    pub channel_status: String,
    /// By which way the buyer came to it, in the marketplace's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inflow: Option<String>,
    /// The parcel, if it was shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipment: Option<Shipment>,
}

/// That some units of an item are called off, or sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Of which item.
    pub item_id: String,
    /// The product, as the marketplace names it.
    pub product_id: ProductId,
    /// What it is called there.
    pub name: String,
    /// How many units of it were ordered.
    pub ordered: u32,
    /// How many of them are claimed, by the parcel that they were in.
    pub units: BTreeMap<String, u32>,
    /// Whether it is done; else it is still looked into.
    pub is_done: bool,
    /// When it was made.
    pub made_at: Timestamp,
}

impl ChannelOrderUpdate {
    /// An order without items, claims or times.
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

    /// What both tell of one order, the other one later: what it tells of a parcel counts, and if it tells of the whole order, all that
    /// it tells of items does.
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

    /// When it was placed: as far as is known, if only claims are told.
    pub fn placed_at_least(&self) -> Option<Timestamp> {
        self.placed_at.or_else(|| self.claims.values().map(|claim| claim.made_at).min())
    }
}

impl Claim {
    /// How many units are claimed.
    pub(crate) fn quantity(&self) -> u32 {
        self.units.values().fold(0, |sum, units| sum.saturating_add(*units))
    }

    /// The item of which nothing else is known: that it was called off.
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
