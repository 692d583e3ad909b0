//! What was told of each piece of an order last. Everything else follows from the pieces, so it does not matter in how many
//! tellings they came, or how often.

use super::{
    Claim, Item, ToldOrder,
    parcels::{Claims, Parcel, is_off, progress},
};
use crate::{ProductId, Timestamp, Won, order::Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an item takes from our stock: what it took, and what there was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draw {
    /// From which product of ours.
    pub product_id: ProductId,
    /// How many units it took.
    pub taken: u32,
    /// How many it needs and there were none of.
    pub debt: u32,
}

/// An item as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// What was told of it last, of all its parcels together. Units that no parcel has any more count as called off: those of a
    /// parcel that is called off are not told of.
    pub item: Item,
    /// Where it stands: as far as the parcel that is furthest behind.
    pub standing: Status,
    /// Its parcels, by their ids there.
    #[serde(default)]
    pub parcels: BTreeMap<String, Parcel>,
    /// How many units have left the house in each parcel that ever did, the most that were seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<String, u32>,
    /// What it takes from our stock, if its product was mapped to one of ours when it was first told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<Draw>,
}

impl Piece {
    /// How many units are reserved for it: those that it took, and those that it needs and there were none of.
    pub fn reserved(&self) -> u32 {
        self.draw.as_ref().map_or(0, |draw| draw.taken.saturating_add(draw.debt))
    }

    /// Whether the item `id` is put into parcels that have names of their own: then it is all that the order has of its product.
    pub fn is_packed(&self, id: &str) -> bool {
        self.parcels.keys().any(|parcel| parcel != id)
    }
}

/// All that was told of an order, piece by piece.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pieces {
    /// The items.
    pub items: BTreeMap<String, Piece>,
    /// The claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Claim>,
}

impl Pieces {
    /// Whether items were put into other parcels than is known: a parcel of a known item is new, or has another number of units.
    /// Then what is told of one parcel says nothing by itself, and the whole order must be asked for.
    pub fn is_repacked(&self, told: &ToldOrder) -> bool {
        let is_new = |known: &Piece, id: &str, item: &Item| {
            !known.parcels.is_empty() && known.parcels.get(id).is_none_or(|parcel| parcel.item.ordered != item.ordered)
        };
        !told.is_whole
            && told.items.iter().any(|(id, parcels)| {
                let known = self.items.get(id);
                known.is_some_and(|known| parcels.iter().any(|(parcel, item)| is_new(known, parcel, item)))
            })
    }

    /// The pieces once this is told too. `mapped` tells which product of ours a marketplace's product is, for items that are new.
    #[must_use]
    pub fn with(&self, told: &ToldOrder, mapped: impl Fn(&ProductId) -> Option<ProductId>) -> Self {
        let mut pieces = self.clone();
        pieces.claims.extend(told.claims.clone());
        if told.is_whole {
            for piece in pieces.items.values_mut() {
                piece.parcels.clear();
            }
        }
        for (id, parcels) in &told.items {
            let known = self.items.get(id).map(|known| &known.parcels);
            for (parcel_id, item) in parcels {
                let stood = known.and_then(|known| known.get(parcel_id)).map(|known| known.standing);
                let standing = item.status.or(stood).unwrap_or(Status::Paid);
                let piece = pieces.piece(id, item, &mapped);
                piece.parcels.insert(parcel_id.clone(), Parcel { item: item.clone(), standing });
            }
        }
        for claim in told.claims.values().filter(|claim| claim.is_done) {
            // The cancellation may be the first update of the item.
            pieces.piece(&claim.item_id, &claim.item(), &mapped);
        }
        pieces.conclude();
        pieces
    }

    /// The piece of this id: a new one, if there is none.
    fn piece(&mut self, id: &str, item: &Item, mapped: &impl Fn(&ProductId) -> Option<ProductId>) -> &mut Piece {
        let new = || Piece {
            item: item.clone(),
            standing: item.status.unwrap_or(Status::Paid),
            parcels: BTreeMap::new(),
            left: BTreeMap::new(),
            draw: mapped(&item.product_id).map(|product_id| Draw { product_id, taken: 0, debt: 0 }),
        };
        self.items.entry(id.to_owned()).or_insert_with(new)
    }

    /// Draws what follows for each item from its parcels and claims.
    fn conclude(&mut self) {
        for (id, piece) in &mut self.items {
            let claims = Claims { id, claims: &self.claims };
            piece.item = claims.together(piece);
            for (parcel_id, parcel) in piece.parcels.iter().filter(|(_, parcel)| parcel.has_left()) {
                let units = piece.left.entry(parcel_id.clone()).or_default();
                *units = (*units).max(parcel.item.ordered - claims.cancelled_in(parcel_id, &parcel.item));
            }
            // Parcels of which nothing is left do not hold the others up.
            let standing = piece.parcels.iter().map(|(parcel_id, parcel)| {
                let is_nothing_left = claims.cancelled_in(parcel_id, &parcel.item) == parcel.item.ordered;
                if is_nothing_left && !is_off(parcel.standing) { Status::Cancelled } else { parcel.standing }
            });
            if let Some(behind) = standing.min_by_key(|status| progress(*status)) {
                piece.standing = behind;
            }
            if piece.item.ordered == claims.cancelled(&piece.item) && !is_off(piece.standing) {
                piece.standing = Status::Cancelled;
            }
        }
    }

    /// How many units of an item stand: none, if it was called off.
    pub fn standing_units(&self, id: &str) -> u32 {
        self.items.get(id).filter(|piece| !is_off(piece.standing)).map_or(0, |piece| self.left(id, piece))
    }

    fn left(&self, id: &str, piece: &Piece) -> u32 {
        piece.item.ordered - self.claims_of(id).cancelled(&piece.item)
    }

    const fn claims_of<'a>(&'a self, id: &'a str) -> Claims<'a> {
        Claims { id, claims: &self.claims }
    }

    /// How many units of an item were called off.
    pub fn cancelled_units(&self, id: &str) -> u32 {
        self.items.get(id).map_or(0, |piece| self.claims_of(id).cancelled(&piece.item))
    }

    /// How many units an item needs of our stock. What has left the house does not come back by being called off.
    fn needed(&self, id: &str, piece: &Piece) -> u32 {
        let left = piece.left.values().fold(0_u32, |sum, units| sum.saturating_add(*units));
        self.standing_units(id).max(left.min(piece.item.ordered))
    }

    /// Takes from our stock what each item needs, as far as there is (`stock` tells how many are left of a product), or gives
    /// back what it needs no more; tells by how much each stock changes, at most so many.
    pub fn draw(&mut self, stock: &BTreeMap<ProductId, i64>, most: usize) -> Vec<StockChange> {
        let mut left = stock.clone();
        let needed: BTreeMap<String, u32> =
            self.items.iter().map(|(id, piece)| (id.clone(), self.needed(id, piece))).collect();
        let mut changes: Vec<StockChange> = Vec::new();
        for (id, piece) in &mut self.items {
            let (Some(draw), Some(&needed)) = (&mut piece.draw, needed.get(id)) else { continue };
            let Some(left) = left.get_mut(&draw.product_id) else { continue };
            let there_are = draw.taken.saturating_add(u32::try_from(*left).unwrap_or(0));
            let taken = needed.min(there_are);
            let delta = i64::from(draw.taken) - i64::from(taken);
            if delta != 0 && changes.len() == most {
                continue;
            }
            (draw.taken, draw.debt) = (taken, needed - taken);
            *left += delta;
            if delta != 0 {
                let product_id = draw.product_id.clone();
                changes.push(StockChange { channel_product_id: piece.item.product_id.clone(), product_id, delta });
            }
        }
        changes
    }

    /// Whether every item has taken from our stock what it needs, and not more.
    pub fn is_settled(&self) -> bool {
        let settled = |(id, piece): (&String, &Piece)| {
            piece.draw.as_ref().is_none_or(|draw| draw.debt == 0 && draw.taken == self.needed(id, piece))
        };
        self.items.iter().all(settled)
    }

    /// How many units of an item are asked to be called off, and not to be shipped meanwhile.
    pub fn held_units(&self, id: &str) -> u32 {
        self.items.get(id).map_or(0, |piece| piece.item.held.min(self.standing_units(id)))
    }

    fn shippable_units(&self, id: &str) -> u32 {
        self.standing_units(id) - self.held_units(id)
    }

    /// What the order consists of: the items of which something is to be shipped, or was; if there are none, those that stand; if
    /// there are none, all as they were ordered.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let any = |units: &dyn Fn(&str) -> u32| self.items.keys().any(|id| units(id) > 0);
        let (is_shippable, stands) = (any(&|id| self.shippable_units(id)), any(&|id| self.standing_units(id)));
        let line = |(id, piece): (&'_ String, &'_ Piece)| {
            let units = match (is_shippable, stands) {
                (true, _) => self.shippable_units(id),
                (false, true) => self.standing_units(id),
                (false, false) => piece.item.ordered,
            };
            // A discount is told for what is not called off of a parcel; for all, if all is.
            let told_for = |Item { ordered, cancelled, .. }: &Item| {
                if cancelled < ordered { ordered - cancelled } else { *ordered }
            };
            let told_for = piece.parcels.values().fold(0, |sum, parcel| told_for(&parcel.item).saturating_add(sum));
            (units, piece.item.discount.share(units, told_for.max(units)))
        };
        let lines = self.items.iter().map(|(id, piece)| (id, piece, line((id, piece))));
        lines
            .filter(|(_, _, (units, _))| *units > 0)
            .map(|(id, piece, (units, discount))| Line {
                id,
                piece,
                units,
                discount,
                cancelled: self.cancelled_units(id),
                held: self.held_units(id),
            })
            .collect()
    }

    /// The products of ours from which items draw.
    pub fn drawn_products(&self) -> impl Iterator<Item = &ProductId> {
        self.items.values().filter_map(|piece| Some(&piece.draw.as_ref()?.product_id))
    }

    /// Where the order stands: as far as the item that is furthest behind; where all were called off, as they were.
    pub fn status(&self) -> Status {
        let standing = self.items.values().map(|piece| piece.standing);
        let behind = standing.clone().filter(|status| !is_off(*status)).min_by_key(|status| progress(*status));
        let is_expired = |status: Status| status == Status::Expired;
        behind.unwrap_or(if standing.clone().all(is_expired) { Status::Expired } else { Status::Cancelled })
    }

    /// Since when something is still to be expected of the order, if anything is: an item that is on its way, or a claim that
    /// is looked into.
    pub fn open_since(&self, placed_at: Timestamp) -> Option<Timestamp> {
        let is_over = |piece: &Piece| is_off(piece.standing) || piece.standing == Status::Completed;
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
    pub piece: &'a Piece,
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
mod tests {
    use super::*;
    use crate::ExternalOrderId;

    fn item(ordered: u32, cancelled: u32, status: impl Into<Option<Status>>) -> Item {
        Item {
            product_id: ProductId::parse("v1").unwrap(),
            name: "pen".into(),
            ordered,
            cancelled,
            held: 0,
            unit_price: Won::ZERO,
            discount: Won::ZERO,
            status: status.into(),
            channel_status: "?".into(),
            inflow: None,
            shipment: None,
        }
    }

    fn parcels(parcels: &[(&str, Item)]) -> BTreeMap<String, Item> {
        parcels.iter().map(|(id, item)| ((*id).to_owned(), item.clone())).collect()
    }

    fn told(items: &[(&str, Item)]) -> ToldOrder {
        ToldOrder {
            items: items.iter().map(|(id, item)| ((*id).to_owned(), parcels(&[(id, item.clone())]))).collect(),
            ..ToldOrder::of(ExternalOrderId::parse("1").unwrap())
        }
    }

    fn claim(quantity: u32, is_done: bool) -> ToldOrder {
        let claim = Claim {
            item_id: "a".into(),
            product_id: ProductId::parse("v1").unwrap(),
            name: "pen".into(),
            ordered: 3,
            units: [("a".to_owned(), quantity)].into(),
            is_done,
            made_at: Timestamp::from_millis(7),
        };
        ToldOrder { claims: [("r1".to_owned(), claim)].into(), ..told(&[]) }
    }

    fn ours(_: &ProductId) -> Option<ProductId> {
        ProductId::parse("pen").ok()
    }

    fn stock(units: i64) -> BTreeMap<ProductId, i64> {
        [(ProductId::parse("pen").unwrap(), units)].into()
    }

    #[test]
    fn an_order_stands_where_its_last_item_stands_and_those_called_off_do_not_count() {
        let none = Pieces::default();
        let pieces =
            none.with(&told(&[("a", item(1, 0, Status::Completed)), ("b", item(1, 0, Status::Paid))]), |_| None);
        assert_eq!(
            (pieces.status(), pieces.open_since(Timestamp::from_millis(1))),
            (Status::Paid, Some(Timestamp::from_millis(1)))
        );
        let pieces = pieces.with(&told(&[("b", item(1, 1, Status::Paid))]), |_| None);
        assert_eq!((pieces.status(), pieces.open_since(Timestamp::from_millis(1))), (Status::Completed, None));
        let pieces = pieces.with(&told(&[("a", item(1, 0, Status::Cancelled))]), |_| None);
        assert_eq!(pieces.status(), Status::Cancelled);
        let expired = none.with(&told(&[("a", item(1, 0, Status::Expired))]), |_| None);
        assert_eq!(expired.status(), Status::Expired);
    }

    #[test]
    fn a_status_that_is_not_known_leaves_the_item_where_it_was_and_is_kept() {
        let pieces = Pieces::default().with(&told(&[("a", item(1, 0, None))]), |_| None);
        assert_eq!((pieces.status(), pieces.items["a"].item.channel_status.as_str()), (Status::Paid, "?"));
        let pieces = pieces.with(&told(&[("a", item(1, 0, Status::Shipped))]), |_| None);
        assert_eq!(pieces.with(&told(&[("a", item(1, 0, None))]), |_| None).status(), Status::Shipped);
    }

    #[test]
    fn claims_count_once_however_they_come_and_not_beside_what_the_item_says() {
        let pieces = Pieces::default().with(&told(&[("a", item(3, 0, Status::Paid))]), |_| None);
        let looked_into = pieces.with(&claim(2, false), |_| None);
        assert_eq!((looked_into.standing_units("a"), looked_into.cancelled_units("a")), (3, 0));
        let done = looked_into.with(&claim(2, true), |_| None).with(&claim(2, true), |_| None);
        assert_eq!((done.standing_units("a"), done.cancelled_units("a")), (1, 2));
        let both = done.with(&told(&[("a", item(3, 2, Status::Paid))]), |_| None);
        assert_eq!(both.standing_units("a"), 1, "the item and the claim say the same");
        let first = Pieces::default().with(&claim(3, true), |_| None);
        assert_eq!((first.status(), first.items["a"].item.ordered), (Status::Cancelled, 3), "nothing else was told");
        let part = Pieces::default().with(&claim(1, true), |_| None);
        assert_eq!(part.status(), Status::Cancelled, "of what is left nobody told");
        assert_eq!(part.with(&told(&[("a", item(3, 0, Status::Paid))]), |_| None).standing_units("a"), 2);
        assert_eq!(Pieces::default().with(&claim(1, false), |_| None).items.len(), 0);
        let over =
            pieces.with(&told(&[("a", item(3, 0, Status::Completed))]), |_| None).with(&claim(1, false), |_| None);
        assert_eq!(over.open_since(Timestamp::from_millis(1)), Some(Timestamp::from_millis(7)));
    }

    #[test]
    fn an_item_draws_once_what_it_needs_and_there_is_and_the_rest_is_a_debt() {
        let mut pieces = Pieces::default().with(&told(&[("a", item(5, 0, Status::Paid))]), ours);
        let delta = |changes: Vec<StockChange>| changes.iter().map(|change| change.delta).sum::<i64>();
        assert_eq!(delta(pieces.draw(&stock(3), 9)), -3);
        assert_eq!(pieces.items["a"].draw.as_ref().map(|draw| (draw.taken, draw.debt)), Some((3, 2)));
        assert_eq!(delta(pieces.draw(&stock(0), 9)), 0);
        assert_eq!(delta(pieces.draw(&stock(9), 9)), -2, "the debt is paid as soon as there is some");
        let mut fewer = pieces.with(&told(&[("a", item(5, 4, Status::Paid))]), ours);
        assert_eq!(delta(fewer.draw(&stock(7), 9)), 4, "what was called off comes back");
        let mut left = fewer.with(&told(&[("a", item(5, 4, Status::Shipped))]), ours);
        assert_eq!(delta(left.draw(&stock(11), 9)), 0);
        let mut returned = left.with(&told(&[("a", item(5, 5, Status::Cancelled))]), ours);
        assert_eq!(delta(returned.draw(&stock(11), 9)), 0, "it has left the house");
        let mut unmapped = Pieces::default().with(&told(&[("a", item(5, 0, Status::Paid))]), |_| None);
        unmapped = unmapped.with(&told(&[("a", item(5, 0, Status::Paid))]), ours);
        assert_eq!(unmapped.draw(&stock(9), 9), [], "it was told of before it was mapped");
    }

    #[test]
    fn lines_are_what_stands_and_all_of_it_once_nothing_does() {
        let won = |amount: i64| Won::new(amount).unwrap();
        let discounted = Item { discount: won(300), ..item(3, 0, Status::Paid) };
        let pieces = Pieces::default().with(&told(&[("a", discounted), ("b", item(1, 1, Status::Paid))]), |_| None);
        let lines = |pieces: &Pieces| {
            pieces.lines().iter().map(|line| (line.id.to_owned(), line.units, line.discount.get())).collect::<Vec<_>>()
        };
        assert_eq!(lines(&pieces), [("a".to_owned(), 3, 300)]);
        assert_eq!(lines(&pieces.with(&claim(2, true), |_| None)), [("a".to_owned(), 1, 100)]);
        let held = |held: u32| told(&[("a", Item { held, discount: won(300), ..item(3, 0, Status::Paid) })]);
        let some_held = pieces.with(&held(2), |_| None);
        assert_eq!((lines(&some_held), some_held.status()), (vec![("a".to_owned(), 1, 100)], Status::Paid));
        let all_held = pieces.with(&held(3), |_| None);
        assert_eq!((lines(&all_held), all_held.status()), (vec![("a".to_owned(), 3, 300)], Status::Paid));
        let off = pieces.with(&claim(3, true), |_| None);
        assert_eq!(lines(&off), [("a".to_owned(), 3, 300), ("b".to_owned(), 1, 0)]);
    }

    /// Everything that a marketplace tells of an item `v` in these parcels.
    fn whole(of: &[(&str, Item)]) -> ToldOrder {
        ToldOrder { items: [("v".to_owned(), parcels(of))].into(), is_whole: true, ..told(&[]) }
    }

    #[test]
    fn an_item_that_is_put_into_several_parcels_is_still_one_item() {
        let listed = |of: &[(&str, Item)]| ToldOrder { is_whole: false, ..whole(of) };
        let mut pieces = Pieces::default().with(&listed(&[("1", item(3, 0, Status::Accepted))]), ours);
        pieces.draw(&stock(9), 9);
        let sent = ("2", item(1, 0, Status::Shipped));
        assert!(pieces.is_repacked(&listed(std::slice::from_ref(&sent))), "a parcel that nobody knew");
        assert!(pieces.is_repacked(&listed(&[("1", item(2, 0, Status::Accepted))])), "fewer units than before");
        assert!(!pieces.is_repacked(&listed(&[("1", item(3, 0, Status::Shipped))])));
        let kept = ("1", item(2, 0, Status::Accepted));
        let mut split = pieces.with(&whole(&[kept.clone(), sent.clone()]), ours);
        assert_eq!((split.standing_units("v"), split.status(), split.items.len()), (3, Status::Accepted, 1));
        assert_eq!(split.draw(&stock(6), 9), [], "it has what it needs");
        // What is called off of the second parcel comes back; what has left does not.
        let called_off = ("1", item(2, 2, Status::Accepted));
        let mut fewer = split.with(&whole(&[called_off, sent.clone()]), ours);
        assert_eq!((fewer.standing_units("v"), fewer.status()), (1, Status::Shipped));
        assert_eq!(fewer.draw(&stock(6), 9).iter().map(|change| change.delta).sum::<i64>(), 2);
        let dropped = split.with(&whole(&[sent]), ours);
        assert_eq!((dropped.standing_units("v"), dropped.cancelled_units("v")), (1, 2), "nobody tells of it any more");
        let mut gone = fewer.with(&whole(&[]), ours);
        assert_eq!((gone.standing_units("v"), gone.status(), gone.draw(&stock(8), 9)), (0, Status::Cancelled, vec![]));
        let merged = split.with(&whole(&[("1", item(3, 0, Status::Accepted))]), ours);
        assert_eq!((merged.standing_units("v"), merged.items["v"].parcels.len()), (3, 1));
    }

    #[test]
    fn a_claim_on_a_parcel_counts_once_wherever_its_units_are_now() {
        let claim = |parcel: &str| {
            let units = [(parcel.to_owned(), 1)].into();
            let claim = Claim { item_id: "v".into(), units, ..claim(0, true).claims["r1"].clone() };
            ToldOrder { claims: [("r1".to_owned(), claim)].into(), ..told(&[]) }
        };
        let split = whole(&[("1", item(2, 0, Status::Paid)), ("2", item(1, 0, Status::Paid))]);
        let pieces = Pieces::default().with(&split, ours).with(&claim("2"), ours);
        assert_eq!((pieces.standing_units("v"), pieces.cancelled_units("v")), (2, 1));
        let asked = Item { held: 1, ..item(1, 0, Status::Paid) };
        let held = Pieces::default().with(&whole(&[("1", item(2, 0, Status::Paid)), ("2", asked)]), ours);
        assert_eq!((held.held_units("v"), held.with(&claim("2"), ours).held_units("v")), (1, 0), "then it is done");
        let dropped = pieces.with(&whole(&[("1", item(2, 0, Status::Paid))]), ours);
        assert_eq!(dropped.standing_units("v"), 2, "that parcel is not listed any more");
        let merged = pieces.with(&whole(&[("1", item(3, 1, Status::Paid))]), ours).with(&claim("1"), ours);
        assert_eq!(merged.standing_units("v"), 2, "the claim goes with its units");
        let first = Pieces::default().with(&claim("2"), ours).with(&whole(&[("1", item(2, 0, Status::Paid))]), ours);
        assert_eq!(first.standing_units("v"), 2, "it was cancelled before the first update");
    }

    #[test]
    fn two_items_of_one_product_draw_from_the_same_stock() {
        let both = told(&[("a", item(2, 0, Status::Paid)), ("b", item(2, 0, Status::Paid))]);
        let mut pieces = Pieces::default().with(&both, ours);
        assert_eq!(pieces.draw(&stock(3), 1).len(), 1);
        assert_eq!(pieces.draw(&stock(1), 9).len(), 1);
        let draws: Vec<_> = pieces.items.values().filter_map(|piece| piece.draw.as_ref()).collect();
        assert_eq!(draws.iter().map(|draw| (draw.taken, draw.debt)).collect::<Vec<_>>(), [(2, 0), (1, 1)]);
    }
}
