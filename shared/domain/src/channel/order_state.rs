//! The last reported state of each item and claim of a marketplace's order. Everything else is
//! derived from this state, so the result does not depend on how the updates are split or how often
//! they arrive.

use super::{
    ChannelOrderUpdate, Claim, Item,
    parcels::{Claims, Parcel, progress},
};
use crate::{ProductId, Timestamp, Won, delivery::Shipment, status::Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Units reserved from our stock for an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// Our product from which the units are reserved.
    pub product_id: ProductId,
    /// Units reserved.
    pub reserved: u32,
    /// Units that the item requires but that were out of stock.
    pub shortfall: u32,
}

/// The stored state of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelItemState {
    /// The last reported state, summed over all parcels. Units that are no longer in any parcel
    /// count as cancelled, because a marketplace does not report cancelled parcels.
    pub item: Item,
    /// The status of the item: that of its least advanced parcel.
    pub status: Status,
    /// The parcels by the marketplace's parcel id.
    #[serde(default)]
    pub parcels: BTreeMap<String, Parcel>,
    /// The units of each parcel that was ever shipped: the highest number that was reported.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shipped: BTreeMap<String, u32>,
    /// The stock reserved for the item. `None` if its product was not mapped to one of ours when
    /// the item was first reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
}

impl ChannelItemState {
    /// The units that the item requires from our stock: reserved units and shortfall.
    pub fn demand(&self) -> u32 {
        self.reservation
            .as_ref()
            .map_or(0, |reservation| reservation.reserved.saturating_add(reservation.shortfall))
    }

    /// Whether the item `id` is split into parcels that have their own ids. Such an item is the
    /// only one of its product in the order.
    pub fn is_packed(&self, id: &str) -> bool {
        self.parcels.keys().any(|parcel| parcel != id)
    }
}

/// The last reported state of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelOrderState {
    /// The items by the marketplace's item id.
    pub items: BTreeMap<String, ChannelItemState>,
    /// The claims by the marketplace's claim id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Claim>,
}

impl ChannelOrderState {
    /// Whether the update changes the parcels of a known item: a parcel is new, or its number of
    /// units changed. An update of single parcels is then not enough, and the whole order must be
    /// requested.
    pub fn is_repacked(&self, update: &ChannelOrderUpdate) -> bool {
        let is_new = |known: &ChannelItemState, id: &str, item: &Item| {
            !known.parcels.is_empty()
                && known.parcels.get(id).is_none_or(|parcel| parcel.item.ordered != item.ordered)
        };
        !update.is_whole
            && update.items.iter().any(|(id, parcels)| {
                let known = self.items.get(id);
                known.is_some_and(|known| {
                    parcels.iter().any(|(parcel, item)| is_new(known, parcel, item))
                })
            })
    }

    /// The state after an update. `mapped` returns our product for a marketplace's product. It is
    /// used for new items.
    #[must_use]
    pub fn with(
        &self,
        update: &ChannelOrderUpdate,
        mapped: impl Fn(&ProductId) -> Option<ProductId>,
    ) -> Self {
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
                let last_status =
                    known.and_then(|known| known.get(parcel_id)).map(|known| known.status);
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

    /// The item `id`, which is added if it is unknown.
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

    /// Derives each item's totals, shipped units and status from its parcels and claims.
    fn derive(&mut self) {
        for (id, item_state) in &mut self.items {
            let claims = Claims { id, claims: &self.claims };
            item_state.item = claims.together(item_state);
            for (parcel_id, parcel) in
                item_state.parcels.iter().filter(|(_, parcel)| parcel.was_shipped())
            {
                let units = item_state.shipped.entry(parcel_id.clone()).or_default();
                *units = (*units)
                    .max(parcel.item.ordered - claims.cancelled_in(parcel_id, &parcel.item));
            }
            // A parcel whose units are all cancelled does not determine the status of the item.
            let status = item_state.parcels.iter().map(|(parcel_id, parcel)| {
                let is_nothing_left =
                    claims.cancelled_in(parcel_id, &parcel.item) == parcel.item.ordered;
                if is_nothing_left && !parcel.status.is_aborted() {
                    Status::Cancelled
                } else {
                    parcel.status
                }
            });
            if let Some(least_advanced) = status.min_by_key(|status| progress(*status)) {
                item_state.status = least_advanced;
            }
            if item_state.item.ordered == claims.cancelled(&item_state.item)
                && !item_state.status.is_aborted()
            {
                item_state.status = Status::Cancelled;
            }
        }
    }

    /// The number of active units of an item: those that are not cancelled. 0 if the whole item is
    /// cancelled.
    pub fn active_units(&self, id: &str) -> u32 {
        self.items
            .get(id)
            .filter(|item_state| !item_state.status.is_aborted())
            .map_or(0, |item_state| self.remaining(id, item_state))
    }

    fn remaining(&self, id: &str, item_state: &ChannelItemState) -> u32 {
        item_state.item.ordered - self.claims_of(id).cancelled(&item_state.item)
    }

    const fn claims_of<'a>(&'a self, id: &'a str) -> Claims<'a> {
        Claims { id, claims: &self.claims }
    }

    /// The number of cancelled units of an item.
    pub fn cancelled_units(&self, id: &str) -> u32 {
        self.items.get(id).map_or(0, |item_state| self.claims_of(id).cancelled(&item_state.item))
    }

    /// The number of units that an item requires from our stock. Shipped units stay required even
    /// if they are cancelled later, because they do not return to the stock.
    fn required(&self, id: &str, item_state: &ChannelItemState) -> u32 {
        let shipped =
            item_state.shipped.values().fold(0_u32, |sum, units| sum.saturating_add(*units));
        self.active_units(id).max(shipped.min(item_state.item.ordered))
    }

    /// Adjusts the reservation of each item to the units that it requires. `stock` has the
    /// available units of each product. Missing units become the shortfall, and units that are no
    /// longer required are released.
    ///
    /// Returns the stock changes, at most `max_changes`. Items beyond this limit remain unchanged.
    pub fn reserve(
        &mut self,
        stock: &BTreeMap<ProductId, i64>,
        max_changes: usize,
    ) -> Vec<StockChange> {
        let mut available = stock.clone();
        let required: BTreeMap<String, u32> = self
            .items
            .iter()
            .map(|(id, item_state)| (id.clone(), self.required(id, item_state)))
            .collect();
        let mut changes: Vec<StockChange> = Vec::new();
        for (id, item_state) in &mut self.items {
            let (Some(reservation), Some(&required)) =
                (&mut item_state.reservation, required.get(id))
            else {
                continue;
            };
            let Some(available) = available.get_mut(&reservation.product_id) else { continue };
            let in_stock = u32::try_from((*available).max(0)).unwrap_or(u32::MAX);
            let reservable = reservation.reserved.saturating_add(in_stock);
            let reserved = required.min(reservable);
            let delta = i64::from(reservation.reserved) - i64::from(reserved);
            if delta != 0 && changes.len() == max_changes {
                continue;
            }
            (reservation.reserved, reservation.shortfall) = (reserved, required - reserved);
            *available += delta;
            if delta != 0 {
                let product_id = reservation.product_id.clone();
                changes.push(StockChange {
                    channel_product_id: item_state.item.product_id.clone(),
                    product_id,
                    delta,
                });
            }
        }
        changes
    }

    /// Whether each item has reserved exactly the units that it requires.
    pub fn is_fully_reserved(&self) -> bool {
        let is_settled = |(id, item_state): (&String, &ChannelItemState)| {
            item_state.reservation.as_ref().is_none_or(|reservation| {
                reservation.shortfall == 0 && reservation.reserved == self.required(id, item_state)
            })
        };
        self.items.iter().all(is_settled)
    }

    /// The number of units of an item with a pending cancellation request. They must not be shipped
    /// until the request is decided.
    pub fn units_on_hold(&self, id: &str) -> u32 {
        self.items.get(id).map_or(0, |item_state| item_state.item.held.min(self.active_units(id)))
    }

    fn shippable_units(&self, id: &str) -> u32 {
        self.active_units(id) - self.units_on_hold(id)
    }

    /// The parcel of the last line that was shipped.
    pub fn shipment(&self) -> Option<&Shipment> {
        self.lines().iter().rev().find_map(|line| line.item_state.item.shipment.as_ref())
    }

    /// The lines of the order: the items with units that are to be shipped or were shipped. If
    /// there are none, the items with active units. If there are none either, all items as they
    /// were ordered.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let any = |units: &dyn Fn(&str) -> u32| self.items.keys().any(|id| units(id) > 0);
        let (is_shippable, is_active) =
            (any(&|id| self.shippable_units(id)), any(&|id| self.active_units(id)));
        let line = |(id, item_state): (&'_ String, &'_ ChannelItemState)| {
            let units = match (is_shippable, is_active) {
                (true, _) => self.shippable_units(id),
                (false, true) => self.active_units(id),
                (false, false) => item_state.item.ordered,
            };
            // The discount of a parcel applies to its units that are not cancelled. If all are
            // cancelled, it applies to all of them.
            let discounted = |Item { ordered, cancelled, .. }: &Item| {
                if cancelled < ordered { ordered - cancelled } else { *ordered }
            };
            let discounted = item_state
                .parcels
                .values()
                .fold(0, |sum, parcel| discounted(&parcel.item).saturating_add(sum));
            (units, item_state.item.discount.share(units, discounted.max(units)))
        };
        let lines =
            self.items.iter().map(|(id, item_state)| (id, item_state, line((id, item_state))));
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

    /// Our products from which the items reserve stock.
    pub fn reserved_products(&self) -> impl Iterator<Item = &ProductId> {
        self.items
            .values()
            .filter_map(|item_state| Some(&item_state.reservation.as_ref()?.product_id))
    }

    /// The status of the order: that of its least advanced item. Cancelled items do not count. If
    /// all items ended without delivery, the order is `EXPIRED` if all of them expired, otherwise
    /// `CANCELLED`.
    pub fn status(&self) -> Status {
        let status = self.items.values().map(|item_state| item_state.status);
        let least_advanced = status
            .clone()
            .filter(|status| !status.is_aborted())
            .min_by_key(|status| progress(*status));
        let is_expired = |status: Status| status == Status::Expired;
        least_advanced.unwrap_or(if status.clone().all(is_expired) {
            Status::Expired
        } else {
            Status::Cancelled
        })
    }

    /// Since when the order has been open: since `placed_at` if an item is not delivered yet,
    /// otherwise since the earliest claim under review. `None` if nothing is open.
    pub fn open_since(&self, placed_at: Timestamp) -> Option<Timestamp> {
        let is_over = |item_state: &ChannelItemState| {
            item_state.status.is_aborted() || item_state.status == Status::Completed
        };
        if !self.items.values().all(is_over) {
            return Some(placed_at);
        }
        self.claims.values().filter(|claim| !claim.is_done).map(|claim| claim.made_at).min()
    }
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The item's id.
    pub id: &'a str,
    /// The item's state.
    pub item_state: &'a ChannelItemState,
    /// The units of the line: those that are to be shipped or were shipped. If the order has none,
    /// the active units. If it has none either, the ordered units.
    pub units: u32,
    /// The discount on these units.
    pub discount: Won,
    /// The number of cancelled units of the item.
    pub cancelled: u32,
    /// The number of units with a pending cancellation request.
    pub held: u32,
}

/// A change of one of our stocks, caused by an item of a marketplace's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockChange {
    /// The marketplace's id of the item's product.
    pub channel_product_id: ProductId,
    /// Our product.
    pub product_id: ProductId,
    /// Units released to the stock (positive) or reserved from it (negative).
    pub delta: i64,
}

#[cfg(test)]
mod tests;
