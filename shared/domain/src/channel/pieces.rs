//! What was told of each piece of an order last. Everything else follows from the pieces, so it does not matter in how many
//! tellings they came, or how often.

use super::{Claim, Item, ToldOrder};
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
    /// What was told of it last.
    pub item: Item,
    /// The last status that was known to us.
    pub standing: Status,
    /// Whether it ever left the house.
    pub has_left: bool,
    /// What it takes from our stock, if its product was mapped to one of ours when it was first told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<Draw>,
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
    /// The pieces once this is told too. `mapped` tells which product of ours a marketplace's product is, for items that are new.
    #[must_use]
    pub fn with(&self, told: &ToldOrder, mapped: impl Fn(&ProductId) -> Option<ProductId>) -> Self {
        let mut pieces = self.clone();
        pieces.claims.extend(told.claims.clone());
        for (id, item) in &told.items {
            pieces.take_in(id, item.clone(), &mapped);
        }
        for claim in told.claims.values().filter(|claim| claim.is_done) {
            if !pieces.items.contains_key(&claim.item_id) {
                // Called off before anything else was told of it.
                pieces.take_in(&claim.item_id, claim.item(), &mapped);
            }
        }
        pieces.conclude();
        pieces
    }

    fn take_in(&mut self, id: &str, item: Item, mapped: &impl Fn(&ProductId) -> Option<ProductId>) {
        let known = self.items.remove(id);
        let piece = Piece {
            standing: item.status.or(known.as_ref().map(|known| known.standing)).unwrap_or(Status::Paid),
            has_left: known.as_ref().is_some_and(|known| known.has_left),
            draw: match known {
                Some(known) => known.draw,
                None => mapped(&item.product_id).map(|product_id| Draw { product_id, taken: 0, debt: 0 }),
            },
            item,
        };
        self.items.insert(id.to_owned(), piece);
    }

    /// Draws what follows for each item: nothing left of it is called off.
    fn conclude(&mut self) {
        for (id, piece) in &mut self.items {
            piece.has_left |= matches!(piece.standing, Status::PickedUp | Status::Shipped | Status::Completed);
            if piece.item.ordered == cancelled(id, &piece.item, &self.claims) && !is_off(piece.standing) {
                piece.standing = Status::Cancelled;
            }
        }
    }

    /// How many units of an item stand: none, if it was called off.
    pub fn standing_units(&self, id: &str) -> u32 {
        self.items.get(id).filter(|piece| !is_off(piece.standing)).map_or(0, |piece| self.left(id, piece))
    }

    fn left(&self, id: &str, piece: &Piece) -> u32 {
        piece.item.ordered - cancelled(id, &piece.item, &self.claims)
    }

    /// How many units of an item were called off.
    pub fn cancelled_units(&self, id: &str) -> u32 {
        self.items.get(id).map_or(0, |piece| cancelled(id, &piece.item, &self.claims))
    }

    /// How many units an item needs of our stock. What has left the house does not come back by being called off.
    fn needed(&self, id: &str, piece: &Piece) -> u32 {
        match &piece.draw {
            Some(draw) if piece.has_left => self.standing_units(id).max(draw.taken + draw.debt),
            Some(_) | None => self.standing_units(id),
        }
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
        let Some(piece) = self.items.get(id).filter(|piece| !piece.has_left) else { return 0 };
        piece.item.held.min(self.standing_units(id))
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
            // A discount is told for what is not called off; for all, if all is.
            let told_for = if piece.item.cancelled < piece.item.ordered {
                piece.item.ordered - piece.item.cancelled
            } else {
                piece.item.ordered
            };
            (units, piece.item.discount.share(units, told_for))
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

/// How many units of an item were called off: the item says so, or its claims do, whoever says more.
fn cancelled(id: &str, item: &Item, claims: &BTreeMap<String, Claim>) -> u32 {
    let done = claims.values().filter(|claim| claim.is_done && claim.item_id == id);
    let claimed = done.fold(0_u32, |sum, claim| sum.saturating_add(claim.quantity));
    claimed.max(item.cancelled).min(item.ordered)
}

/// Whether an item in this status is not delivered.
fn is_off(status: Status) -> bool {
    match status {
        Status::Cancelled | Status::Rejected | Status::Expired => true,
        Status::StockAllocated
        | Status::Paid
        | Status::Accepted
        | Status::Cooking
        | Status::Cooked
        | Status::PickedUp
        | Status::Shipped
        | Status::Completed => false,
    }
}

fn progress(status: Status) -> u8 {
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

    fn told(items: &[(&str, Item)]) -> ToldOrder {
        ToldOrder {
            external_order_id: ExternalOrderId::parse("1").unwrap(),
            placed_at: None,
            paid_at: None,
            buyer: None,
            recipient: None,
            items: items.iter().map(|(id, item)| ((*id).to_owned(), item.clone())).collect(),
            claims: BTreeMap::new(),
        }
    }

    fn claim(quantity: u32, is_done: bool) -> ToldOrder {
        let claim = Claim {
            item_id: "a".into(),
            product_id: ProductId::parse("v1").unwrap(),
            name: "pen".into(),
            ordered: 3,
            quantity,
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
