//! What was told of each piece of an order last. Everything else follows from the pieces, so it does not matter in how many
//! tellings they came, or how often.

use super::{
    ChannelOrderUpdate, Claim, Item,
    parcels::{Claims, Parcel, is_off, progress},
};
use crate::{ProductId, Timestamp, Won, order::Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an item takes from our stock: what it took, and what there was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// From which product of ours.
    pub product_id: ProductId,
    /// How many units it took.
    pub reserved: u32,
    /// How many it needs and there were none of.
    pub shortfall: u32,
}

/// An item as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelItemState {
    /// What was told of it last, of all its parcels together. Units that no parcel has any more count as called off: those of a
    /// parcel that is called off are not told of.
    pub item: Item,
    /// Where it stands: as far as the parcel that is furthest behind.
    pub status: Status,
    /// Its parcels, by their ids there.
    #[serde(default)]
    pub parcels: BTreeMap<String, Parcel>,
    /// How many units have left the house in each parcel that ever did, the most that were seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shipped: BTreeMap<String, u32>,
    /// What it takes from our stock, if its product was mapped to one of ours when it was first told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
}

impl ChannelItemState {
    /// How many units are reserved for it: those that it took, and those that it needs and there were none of.
    pub fn demand(&self) -> u32 {
        self.reservation.as_ref().map_or(0, |reservation| reservation.reserved.saturating_add(reservation.shortfall))
    }

    /// Whether the item `id` is put into parcels that have names of their own: then it is all that the order has of its product.
    pub fn is_packed(&self, id: &str) -> bool {
        self.parcels.keys().any(|parcel| parcel != id)
    }
}

/// All that was told of an order, piece by piece.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelOrderState {
    /// The items.
    pub items: BTreeMap<String, ChannelItemState>,
    /// The claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Claim>,
}

impl ChannelOrderState {
    /// Whether items were put into other parcels than is known: a parcel of a known item is new, or has another number of units.
    /// Then what is told of one parcel says nothing by itself, and the whole order must be asked for.
    pub fn is_repacked(&self, update: &ChannelOrderUpdate) -> bool {
        let is_new = |known: &ChannelItemState, id: &str, item: &Item| {
            !known.parcels.is_empty() && known.parcels.get(id).is_none_or(|parcel| parcel.item.ordered != item.ordered)
        };
        !update.is_whole
            && update.items.iter().any(|(id, parcels)| {
                let known = self.items.get(id);
                known.is_some_and(|known| parcels.iter().any(|(parcel, item)| is_new(known, parcel, item)))
            })
    }

    /// The pieces once this is told too. `mapped` tells which product of ours a marketplace's product is, for items that are new.
    #[must_use]
    pub fn with(&self, update: &ChannelOrderUpdate, mapped: impl Fn(&ProductId) -> Option<ProductId>) -> Self {
        let mut order_state = self.clone();
        order_state.claims.extend(update.claims.clone());
        if update.is_whole {
            for item_state in order_state.items.values_mut() {
                item_state.parcels.clear();
            }
        }
        for (id, parcels) in &update.items {
            let known = self.items.get(id).map(|known| &known.parcels);
            for (parcel_id, item) in parcels {
                let last_status = known.and_then(|known| known.get(parcel_id)).map(|known| known.status);
                let status = item.status.or(last_status).unwrap_or(Status::Paid);
                let item_state = order_state.item_state(id, item, &mapped);
                item_state.parcels.insert(parcel_id.clone(), Parcel { item: item.clone(), status });
            }
        }
        for claim in update.claims.values().filter(|claim| claim.is_done) {
            // The cancellation may be the first update of the item.
            order_state.item_state(&claim.item_id, &claim.item(), &mapped);
        }
        order_state.derive();
        order_state
    }

    /// The piece of this id: a new one, if there is none.
    fn item_state(
        &mut self,
        id: &str,
        item: &Item,
        mapped: &impl Fn(&ProductId) -> Option<ProductId>,
    ) -> &mut ChannelItemState {
        let new = || ChannelItemState {
            item: item.clone(),
            status: item.status.unwrap_or(Status::Paid),
            parcels: BTreeMap::new(),
            shipped: BTreeMap::new(),
            reservation: mapped(&item.product_id).map(|product_id| Reservation {
                product_id,
                reserved: 0,
                shortfall: 0,
            }),
        };
        self.items.entry(id.to_owned()).or_insert_with(new)
    }

    /// Draws what follows for each item from its parcels and claims.
    fn derive(&mut self) {
        for (id, item_state) in &mut self.items {
            let claims = Claims { id, claims: &self.claims };
            item_state.item = claims.together(item_state);
            for (parcel_id, parcel) in item_state.parcels.iter().filter(|(_, parcel)| parcel.was_shipped()) {
                let units = item_state.shipped.entry(parcel_id.clone()).or_default();
                *units = (*units).max(parcel.item.ordered - claims.cancelled_in(parcel_id, &parcel.item));
            }
            // Parcels of which nothing is left do not hold the others up.
            let status = item_state.parcels.iter().map(|(parcel_id, parcel)| {
                let is_nothing_left = claims.cancelled_in(parcel_id, &parcel.item) == parcel.item.ordered;
                if is_nothing_left && !is_off(parcel.status) { Status::Cancelled } else { parcel.status }
            });
            if let Some(behind) = status.min_by_key(|status| progress(*status)) {
                item_state.status = behind;
            }
            if item_state.item.ordered == claims.cancelled(&item_state.item) && !is_off(item_state.status) {
                item_state.status = Status::Cancelled;
            }
        }
    }

    /// How many units of an item stand: none, if it was called off.
    pub fn active_units(&self, id: &str) -> u32 {
        self.items
            .get(id)
            .filter(|item_state| !is_off(item_state.status))
            .map_or(0, |item_state| self.remaining(id, item_state))
    }

    fn remaining(&self, id: &str, item_state: &ChannelItemState) -> u32 {
        item_state.item.ordered - self.claims_of(id).cancelled(&item_state.item)
    }

    const fn claims_of<'a>(&'a self, id: &'a str) -> Claims<'a> {
        Claims { id, claims: &self.claims }
    }

    /// How many units of an item were called off.
    pub fn cancelled_units(&self, id: &str) -> u32 {
        self.items.get(id).map_or(0, |item_state| self.claims_of(id).cancelled(&item_state.item))
    }

    /// How many units an item needs of our stock. What has left the house does not come back by being called off.
    fn required(&self, id: &str, item_state: &ChannelItemState) -> u32 {
        let left = item_state.shipped.values().fold(0_u32, |sum, units| sum.saturating_add(*units));
        self.active_units(id).max(left.min(item_state.item.ordered))
    }

    /// Takes from our stock what each item needs, as far as there is (`stock` tells how many are left of a product), or gives
    /// back what it needs no more; tells by how much each stock changes, at most so many.
    pub fn reserve(&mut self, stock: &BTreeMap<ProductId, i64>, most: usize) -> Vec<StockChange> {
        let mut left = stock.clone();
        let required: BTreeMap<String, u32> =
            self.items.iter().map(|(id, item_state)| (id.clone(), self.required(id, item_state))).collect();
        let mut changes: Vec<StockChange> = Vec::new();
        for (id, item_state) in &mut self.items {
            let (Some(reservation), Some(&required)) = (&mut item_state.reservation, required.get(id)) else {
                continue;
            };
            let Some(left) = left.get_mut(&reservation.product_id) else { continue };
            let there_are = reservation.reserved.saturating_add(u32::try_from(*left).unwrap_or(0));
            let reserved = required.min(there_are);
            let delta = i64::from(reservation.reserved) - i64::from(reserved);
            if delta != 0 && changes.len() == most {
                continue;
            }
            (reservation.reserved, reservation.shortfall) = (reserved, required - reserved);
            *left += delta;
            if delta != 0 {
                let product_id = reservation.product_id.clone();
                changes.push(StockChange { channel_product_id: item_state.item.product_id.clone(), product_id, delta });
            }
        }
        changes
    }

    /// Whether every item has taken from our stock what it needs, and not more.
    pub fn is_fully_reserved(&self) -> bool {
        let settled = |(id, item_state): (&String, &ChannelItemState)| {
            item_state.reservation.as_ref().is_none_or(|reservation| {
                reservation.shortfall == 0 && reservation.reserved == self.required(id, item_state)
            })
        };
        self.items.iter().all(settled)
    }

    /// How many units of an item are asked to be called off, and not to be shipped meanwhile.
    pub fn units_on_hold(&self, id: &str) -> u32 {
        self.items.get(id).map_or(0, |item_state| item_state.item.held.min(self.active_units(id)))
    }

    fn shippable_units(&self, id: &str) -> u32 {
        self.active_units(id) - self.units_on_hold(id)
    }

    /// What the order consists of: the items of which something is to be shipped, or was; if there are none, those that stand; if
    /// there are none, all as they were ordered.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let any = |units: &dyn Fn(&str) -> u32| self.items.keys().any(|id| units(id) > 0);
        let (is_shippable, stands) = (any(&|id| self.shippable_units(id)), any(&|id| self.active_units(id)));
        let line = |(id, item_state): (&'_ String, &'_ ChannelItemState)| {
            let units = match (is_shippable, stands) {
                (true, _) => self.shippable_units(id),
                (false, true) => self.active_units(id),
                (false, false) => item_state.item.ordered,
            };
            // A discount is told for what is not called off of a parcel; for all, if all is.
            let told_for = |Item { ordered, cancelled, .. }: &Item| {
                if cancelled < ordered { ordered - cancelled } else { *ordered }
            };
            let told_for =
                item_state.parcels.values().fold(0, |sum, parcel| told_for(&parcel.item).saturating_add(sum));
            (units, item_state.item.discount.share(units, told_for.max(units)))
        };
        let lines = self.items.iter().map(|(id, item_state)| (id, item_state, line((id, item_state))));
        lines
            .filter(|(_, _, (units, _))| *units > 0)
            .map(|(id, item_state, (units, discount))| Line {
                id,
                item_state,
                units,
                discount,
                cancelled: self.cancelled_units(id),
                held: self.units_on_hold(id),
            })
            .collect()
    }

    /// The products of ours from which items draw.
    pub fn reserved_products(&self) -> impl Iterator<Item = &ProductId> {
        self.items.values().filter_map(|item_state| Some(&item_state.reservation.as_ref()?.product_id))
    }

    /// Where the order stands: as far as the item that is furthest behind; where all were called off, as they were.
    pub fn status(&self) -> Status {
        let status = self.items.values().map(|item_state| item_state.status);
        let behind = status.clone().filter(|status| !is_off(*status)).min_by_key(|status| progress(*status));
        let is_expired = |status: Status| status == Status::Expired;
        behind.unwrap_or(if status.clone().all(is_expired) { Status::Expired } else { Status::Cancelled })
    }

    /// Since when something is still to be expected of the order, if anything is: an item that is on its way, or a claim that
    /// is looked into.
    pub fn open_since(&self, placed_at: Timestamp) -> Option<Timestamp> {
        let is_over =
            |item_state: &ChannelItemState| is_off(item_state.status) || item_state.status == Status::Completed;
        if !self.items.values().all(is_over) {
            return Some(placed_at);
        }
        self.claims.values().filter(|claim| !claim.is_done).map(|claim| claim.made_at).min()
    }
}

/// A line of what an order consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The item's id.
    pub id: &'a str,
    /// The item.
    pub item_state: &'a ChannelItemState,
    /// How many units of it are to be shipped, or were; that stand, if there are none; that were ordered, if nothing stands.
    pub units: u32,
    /// What is taken off these.
    pub discount: Won,
    /// How many units of it were called off.
    pub cancelled: u32,
    /// How many are asked to be.
    pub held: u32,
}

/// A change of a stock of ours by an item of a marketplace's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockChange {
    /// The item's product, as the marketplace names it.
    pub channel_product_id: ProductId,
    /// Our product.
    pub product_id: ProductId,
    /// Units that came back (positive) or went out.
    pub delta: i64,
}

#[cfg(test)]
mod tests;
