//! The parcels of an item, and the totals of the item over its parcels and claims.

use super::{ChannelItemState, Claim, Item};
use crate::{Won, status::Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The part of an item that is in one parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parcel {
    /// The last reported state of this part.
    pub item: Item,
    /// The last reported status that is known to us.
    pub status: Status,
}

impl Parcel {
    /// Whether the parcel was handed to a rider or carrier. A completed parcel counts, too.
    pub(super) const fn was_shipped(&self) -> bool {
        matches!(self.status, Status::PickedUp | Status::Shipped | Status::Completed)
    }
}

/// The claims of an order, for one item.
pub(super) struct Claims<'a> {
    pub(super) id: &'a str,
    pub(super) claims: &'a BTreeMap<String, Claim>,
}

impl Claims<'_> {
    fn all(&self) -> impl Iterator<Item = &Claim> {
        self.claims.values().filter(|claim| claim.item_id == self.id)
    }

    /// The number of cancelled units of an item. Its parcels and its claims report the same
    /// cancellations, so the higher of both numbers counts.
    pub(super) fn cancelled(&self, item: &Item) -> u32 {
        let done = self.all().filter(|claim| claim.is_done);
        let claimed = done.fold(0_u32, |sum, claim| sum.saturating_add(claim.quantity()));
        claimed.max(item.cancelled).min(item.ordered)
    }

    /// The number of cancelled units in one parcel of the item, by the same rule.
    pub(super) fn cancelled_in(&self, parcel: &str, item: &Item) -> u32 {
        let units =
            self.all().filter(|claim| claim.is_done).filter_map(|claim| claim.units.get(parcel));
        units
            .fold(0_u32, |sum, units| sum.saturating_add(*units))
            .max(item.cancelled)
            .min(item.ordered)
    }

    /// Sums up the parcels of an item. The number of ordered units never decreases: units that are
    /// no longer in any parcel count as cancelled.
    pub(super) fn together(&self, item_state: &ChannelItemState) -> Item {
        let claimed = self.all().map(|claim| claim.ordered).max();
        let parcels = || item_state.parcels.iter();
        let least_advanced = parcels()
            .min_by_key(|(_, parcel)| progress(parcel.status))
            .map(|(_, parcel)| &parcel.item);
        let Some(least_advanced) = least_advanced else {
            let ordered = item_state.item.ordered.max(claimed.unwrap_or_default());
            // No parcel is listed any more: all units were cancelled.
            let cancelled =
                if item_state.status.is_aborted() { item_state.item.cancelled } else { ordered };
            return Item { ordered, cancelled, held: 0, ..item_state.item.clone() };
        };
        let sum = |units: &dyn Fn(&str, &Parcel) -> u32| {
            parcels().fold(0_u32, |sum, (id, parcel)| sum.saturating_add(units(id, parcel)))
        };
        let in_parcels = sum(&|_, parcel| parcel.item.ordered);
        let ordered =
            [item_state.item.ordered, in_parcels].into_iter().chain(claimed).fold(0, u32::max);
        let discount = parcels().map(|(_, parcel)| parcel.item.discount.get()).sum::<i64>();
        Item {
            ordered,
            cancelled: ordered - in_parcels
                + sum(&|id, parcel| self.cancelled_in(id, &parcel.item)),
            held: sum(&|id, parcel| {
                // A completed cancellation is no longer a pending request.
                let active = parcel.item.ordered - self.cancelled_in(id, &parcel.item);
                if parcel.was_shipped() { 0 } else { parcel.item.held.min(active) }
            }),
            discount: Won::new(discount).unwrap_or(Won::MAX),
            shipment: parcels().rev().find_map(|(_, parcel)| parcel.item.shipment.clone()),
            ..least_advanced.clone()
        }
    }
}

pub(super) fn progress(status: Status) -> u8 {
    match status {
        Status::StockAllocated => 0,
        Status::Paid => 1,
        Status::Accepted => 2,
        Status::Cooking => 3,
        Status::Cooked => 4,
        Status::PickedUp => 5,
        Status::Shipped => 6,
        Status::Completed => 7,
        Status::Cancelled | Status::Rejected | Status::Expired => 8,
    }
}
