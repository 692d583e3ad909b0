//! The rules for the state of a marketplace's order: the last update of each part counts, however
//! often and in whatever order the updates arrive.

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

fn update(items: &[(&str, Item)]) -> ChannelOrderUpdate {
    ChannelOrderUpdate {
        items: items
            .iter()
            .map(|(id, item)| ((*id).to_owned(), parcels(&[(id, item.clone())])))
            .collect(),
        ..ChannelOrderUpdate::of(ExternalOrderId::parse("1").unwrap())
    }
}

fn claim(quantity: u32, is_done: bool) -> ChannelOrderUpdate {
    let claim = Claim {
        item_id: "a".into(),
        product_id: ProductId::parse("v1").unwrap(),
        name: "pen".into(),
        ordered: 3,
        units: [("a".to_owned(), quantity)].into(),
        is_done,
        made_at: Timestamp::from_millis(7),
    };
    ChannelOrderUpdate { claims: [("r1".to_owned(), claim)].into(), ..update(&[]) }
}

fn ours(_: &ProductId) -> Option<ProductId> {
    ProductId::parse("pen").ok()
}

fn stock(units: i64) -> BTreeMap<ProductId, i64> {
    [(ProductId::parse("pen").unwrap(), units)].into()
}

#[test]
fn an_order_has_the_status_of_its_least_advanced_item_that_is_not_cancelled() {
    let none = ChannelOrderState::default();
    let order_state = none.with(
        &update(&[("a", item(1, 0, Status::Completed)), ("b", item(1, 0, Status::Paid))]),
        |_| None,
    );
    assert_eq!(
        (order_state.status(), order_state.open_since(Timestamp::from_millis(1))),
        (Status::Paid, Some(Timestamp::from_millis(1)))
    );
    let order_state = order_state.with(&update(&[("b", item(1, 1, Status::Paid))]), |_| None);
    assert_eq!(
        (order_state.status(), order_state.open_since(Timestamp::from_millis(1))),
        (Status::Completed, None)
    );
    let order_state = order_state.with(&update(&[("a", item(1, 0, Status::Cancelled))]), |_| None);
    assert_eq!(order_state.status(), Status::Cancelled);
    let expired = none.with(&update(&[("a", item(1, 0, Status::Expired))]), |_| None);
    assert_eq!(expired.status(), Status::Expired);
}

#[test]
fn an_unknown_status_is_stored_and_leaves_our_status_unchanged() {
    let order_state =
        ChannelOrderState::default().with(&update(&[("a", item(1, 0, None))]), |_| None);
    assert_eq!(
        (order_state.status(), order_state.items["a"].item.channel_status.as_str()),
        (Status::Paid, "?")
    );
    let order_state = order_state.with(&update(&[("a", item(1, 0, Status::Shipped))]), |_| None);
    assert_eq!(
        order_state.with(&update(&[("a", item(1, 0, None))]), |_| None).status(),
        Status::Shipped
    );
}

#[test]
fn a_claim_counts_once_and_not_in_addition_to_the_cancellations_of_the_item() {
    let order_state =
        ChannelOrderState::default().with(&update(&[("a", item(3, 0, Status::Paid))]), |_| None);
    let under_review = order_state.with(&claim(2, false), |_| None);
    assert_eq!((under_review.active_units("a"), under_review.cancelled_units("a")), (3, 0));
    let done = under_review.with(&claim(2, true), |_| None).with(&claim(2, true), |_| None);
    assert_eq!((done.active_units("a"), done.cancelled_units("a")), (1, 2));
    let both = done.with(&update(&[("a", item(3, 2, Status::Paid))]), |_| None);
    assert_eq!(both.active_units("a"), 1, "the item and the claim report the same cancellation");
    let first = ChannelOrderState::default().with(&claim(3, true), |_| None);
    assert_eq!(
        (first.status(), first.items["a"].item.ordered),
        (Status::Cancelled, 3),
        "the claim is the first update"
    );
    let part = ChannelOrderState::default().with(&claim(1, true), |_| None);
    assert_eq!(part.status(), Status::Cancelled, "the other units are not reported yet");
    assert_eq!(
        part.with(&update(&[("a", item(3, 0, Status::Paid))]), |_| None).active_units("a"),
        2
    );
    assert_eq!(ChannelOrderState::default().with(&claim(1, false), |_| None).items.len(), 0);
    let over = order_state
        .with(&update(&[("a", item(3, 0, Status::Completed))]), |_| None)
        .with(&claim(1, false), |_| None);
    assert_eq!(over.open_since(Timestamp::from_millis(1)), Some(Timestamp::from_millis(7)));
}

#[test]
fn an_item_reserves_available_units_once_and_the_missing_units_are_its_shortfall() {
    let mut order_state =
        ChannelOrderState::default().with(&update(&[("a", item(5, 0, Status::Paid))]), ours);
    let delta = |changes: Vec<StockChange>| changes.iter().map(|change| change.delta).sum::<i64>();
    assert_eq!(delta(order_state.reserve(&stock(3), 9)), -3);
    assert_eq!(
        order_state.items["a"]
            .reservation
            .as_ref()
            .map(|reservation| (reservation.reserved, reservation.shortfall)),
        Some((3, 2))
    );
    assert_eq!(delta(order_state.reserve(&stock(0), 9)), 0);
    assert_eq!(
        delta(order_state.reserve(&stock(9), 9)),
        -2,
        "the shortfall is reserved as soon as stock is available"
    );
    let mut fewer = order_state.with(&update(&[("a", item(5, 4, Status::Paid))]), ours);
    assert_eq!(delta(fewer.reserve(&stock(7), 9)), 4, "cancelled units are released");
    let mut shipped = fewer.with(&update(&[("a", item(5, 4, Status::Shipped))]), ours);
    assert_eq!(delta(shipped.reserve(&stock(11), 9)), 0);
    let mut returned = shipped.with(&update(&[("a", item(5, 5, Status::Cancelled))]), ours);
    assert_eq!(delta(returned.reserve(&stock(11), 9)), 0, "the units were shipped");
    let mut unmapped =
        ChannelOrderState::default().with(&update(&[("a", item(5, 0, Status::Paid))]), |_| None);
    unmapped = unmapped.with(&update(&[("a", item(5, 0, Status::Paid))]), ours);
    assert_eq!(
        unmapped.reserve(&stock(9), 9),
        [],
        "the item was reported before its product was mapped"
    );
}

#[test]
fn lines_have_the_units_to_ship_or_all_units_of_a_cancelled_order() {
    let won = |amount: i64| Won::new(amount).unwrap();
    let discounted = Item { discount: won(300), ..item(3, 0, Status::Paid) };
    let order_state = ChannelOrderState::default()
        .with(&update(&[("a", discounted), ("b", item(1, 1, Status::Paid))]), |_| None);
    let lines = |order_state: &ChannelOrderState| {
        order_state
            .lines()
            .iter()
            .map(|line| (line.id.to_owned(), line.units, line.discount.get()))
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&order_state), [("a".to_owned(), 3, 300)]);
    assert_eq!(lines(&order_state.with(&claim(2, true), |_| None)), [("a".to_owned(), 1, 100)]);
    let held =
        |held: u32| update(&[("a", Item { held, discount: won(300), ..item(3, 0, Status::Paid) })]);
    let some_held = order_state.with(&held(2), |_| None);
    assert_eq!(
        (lines(&some_held), some_held.status()),
        (vec![("a".to_owned(), 1, 100)], Status::Paid)
    );
    let all_held = order_state.with(&held(3), |_| None);
    assert_eq!(
        (lines(&all_held), all_held.status()),
        (vec![("a".to_owned(), 3, 300)], Status::Paid)
    );
    let cancelled = order_state.with(&claim(3, true), |_| None);
    assert_eq!(lines(&cancelled), [("a".to_owned(), 3, 300), ("b".to_owned(), 1, 0)]);
}

/// An update of the whole order: the item `v` in these parcels.
fn whole(of: &[(&str, Item)]) -> ChannelOrderUpdate {
    ChannelOrderUpdate {
        items: [("v".to_owned(), parcels(of))].into(),
        is_whole: true,
        ..update(&[])
    }
}

#[test]
fn an_item_split_into_several_parcels_remains_one_item() {
    let listed = |of: &[(&str, Item)]| ChannelOrderUpdate { is_whole: false, ..whole(of) };
    let mut order_state =
        ChannelOrderState::default().with(&listed(&[("1", item(3, 0, Status::Accepted))]), ours);
    order_state.reserve(&stock(9), 9);
    let sent = ("2", item(1, 0, Status::Shipped));
    assert!(order_state.is_repacked(&listed(std::slice::from_ref(&sent))), "a parcel is new");
    assert!(
        order_state.is_repacked(&listed(&[("1", item(2, 0, Status::Accepted))])),
        "a parcel has fewer units"
    );
    assert!(!order_state.is_repacked(&listed(&[("1", item(3, 0, Status::Shipped))])));
    let remaining = ("1", item(2, 0, Status::Accepted));
    let mut split = order_state.with(&whole(&[remaining.clone(), sent.clone()]), ours);
    assert_eq!(
        (split.active_units("v"), split.status(), split.items.len()),
        (3, Status::Accepted, 1)
    );
    assert_eq!(split.reserve(&stock(6), 9), [], "all required units are reserved already");
    // Cancelled units of an unshipped parcel are released; shipped units are not.
    let cancelled = ("1", item(2, 2, Status::Accepted));
    let mut fewer = split.with(&whole(&[cancelled, sent.clone()]), ours);
    assert_eq!((fewer.active_units("v"), fewer.status()), (1, Status::Shipped));
    assert_eq!(fewer.reserve(&stock(6), 9).iter().map(|change| change.delta).sum::<i64>(), 2);
    let dropped = split.with(&whole(&[sent]), ours);
    assert_eq!(
        (dropped.active_units("v"), dropped.cancelled_units("v")),
        (1, 2),
        "the parcel is no longer listed"
    );
    let mut unlisted = fewer.with(&whole(&[]), ours);
    assert_eq!(
        (unlisted.active_units("v"), unlisted.status(), unlisted.reserve(&stock(8), 9)),
        (0, Status::Cancelled, vec![])
    );
    let merged = split.with(&whole(&[("1", item(3, 0, Status::Accepted))]), ours);
    assert_eq!((merged.active_units("v"), merged.items["v"].parcels.len()), (3, 1));
}

#[test]
fn a_claim_on_a_parcel_counts_once_even_if_its_units_move_to_another_parcel() {
    let claim = |parcel: &str| {
        let units = [(parcel.to_owned(), 1)].into();
        let claim = Claim { item_id: "v".into(), units, ..claim(0, true).claims["r1"].clone() };
        ChannelOrderUpdate { claims: [("r1".to_owned(), claim)].into(), ..update(&[]) }
    };
    let split = whole(&[("1", item(2, 0, Status::Paid)), ("2", item(1, 0, Status::Paid))]);
    let order_state = ChannelOrderState::default().with(&split, ours).with(&claim("2"), ours);
    assert_eq!((order_state.active_units("v"), order_state.cancelled_units("v")), (2, 1));
    let requested = Item { held: 1, ..item(1, 0, Status::Paid) };
    let held = ChannelOrderState::default()
        .with(&whole(&[("1", item(2, 0, Status::Paid)), ("2", requested)]), ours);
    assert_eq!(
        (held.units_on_hold("v"), held.with(&claim("2"), ours).units_on_hold("v")),
        (1, 0),
        "cancelled units are no longer on hold"
    );
    let dropped = order_state.with(&whole(&[("1", item(2, 0, Status::Paid))]), ours);
    assert_eq!(dropped.active_units("v"), 2, "the parcel is no longer listed");
    let merged =
        order_state.with(&whole(&[("1", item(3, 1, Status::Paid))]), ours).with(&claim("1"), ours);
    assert_eq!(merged.active_units("v"), 2, "the claim applies to the merged parcel");
    let first = ChannelOrderState::default()
        .with(&claim("2"), ours)
        .with(&whole(&[("1", item(2, 0, Status::Paid))]), ours);
    assert_eq!(first.active_units("v"), 2, "it was cancelled before the first update");
}

#[test]
fn two_items_of_one_product_reserve_from_the_same_stock() {
    let both = update(&[("a", item(2, 0, Status::Paid)), ("b", item(2, 0, Status::Paid))]);
    let mut order_state = ChannelOrderState::default().with(&both, ours);
    assert_eq!(order_state.reserve(&stock(3), 1).len(), 1);
    assert_eq!(order_state.reserve(&stock(1), 9).len(), 1);
    let reservations: Vec<_> = order_state
        .items
        .values()
        .filter_map(|item_state| item_state.reservation.as_ref())
        .collect();
    assert_eq!(
        reservations
            .iter()
            .map(|reservation| (reservation.reserved, reservation.shortfall))
            .collect::<Vec<_>>(),
        [(2, 0), (1, 1)]
    );
}
