//! The laws of a marketplace order: what was updated last counts, however often and in whatever order it came.

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
        items: items.iter().map(|(id, item)| ((*id).to_owned(), parcels(&[(id, item.clone())]))).collect(),
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
fn an_order_stands_where_its_last_item_stands_and_those_called_off_do_not_count() {
    let none = ChannelOrderState::default();
    let order_state =
        none.with(&update(&[("a", item(1, 0, Status::Completed)), ("b", item(1, 0, Status::Paid))]), |_| None);
    assert_eq!(
        (order_state.status(), order_state.open_since(Timestamp::from_millis(1))),
        (Status::Paid, Some(Timestamp::from_millis(1)))
    );
    let order_state = order_state.with(&update(&[("b", item(1, 1, Status::Paid))]), |_| None);
    assert_eq!((order_state.status(), order_state.open_since(Timestamp::from_millis(1))), (Status::Completed, None));
    let order_state = order_state.with(&update(&[("a", item(1, 0, Status::Cancelled))]), |_| None);
    assert_eq!(order_state.status(), Status::Cancelled);
    let expired = none.with(&update(&[("a", item(1, 0, Status::Expired))]), |_| None);
    assert_eq!(expired.status(), Status::Expired);
}

#[test]
fn a_status_that_is_not_known_leaves_the_item_where_it_was_and_is_kept() {
    let order_state = ChannelOrderState::default().with(&update(&[("a", item(1, 0, None))]), |_| None);
    assert_eq!((order_state.status(), order_state.items["a"].item.channel_status.as_str()), (Status::Paid, "?"));
    let order_state = order_state.with(&update(&[("a", item(1, 0, Status::Shipped))]), |_| None);
    assert_eq!(order_state.with(&update(&[("a", item(1, 0, None))]), |_| None).status(), Status::Shipped);
}

#[test]
fn claims_count_once_however_they_come_and_not_beside_what_the_item_says() {
    let order_state = ChannelOrderState::default().with(&update(&[("a", item(3, 0, Status::Paid))]), |_| None);
    let looked_into = order_state.with(&claim(2, false), |_| None);
    assert_eq!((looked_into.active_units("a"), looked_into.cancelled_units("a")), (3, 0));
    let done = looked_into.with(&claim(2, true), |_| None).with(&claim(2, true), |_| None);
    assert_eq!((done.active_units("a"), done.cancelled_units("a")), (1, 2));
    let both = done.with(&update(&[("a", item(3, 2, Status::Paid))]), |_| None);
    assert_eq!(both.active_units("a"), 1, "the item and the claim say the same");
    let first = ChannelOrderState::default().with(&claim(3, true), |_| None);
    assert_eq!((first.status(), first.items["a"].item.ordered), (Status::Cancelled, 3), "nothing else was told");
    let part = ChannelOrderState::default().with(&claim(1, true), |_| None);
    assert_eq!(part.status(), Status::Cancelled, "of what is left nobody told");
    assert_eq!(part.with(&update(&[("a", item(3, 0, Status::Paid))]), |_| None).active_units("a"), 2);
    assert_eq!(ChannelOrderState::default().with(&claim(1, false), |_| None).items.len(), 0);
    let over =
        order_state.with(&update(&[("a", item(3, 0, Status::Completed))]), |_| None).with(&claim(1, false), |_| None);
    assert_eq!(over.open_since(Timestamp::from_millis(1)), Some(Timestamp::from_millis(7)));
}

#[test]
fn an_item_draws_once_what_it_needs_and_there_is_and_the_rest_is_a_debt() {
    let mut order_state = ChannelOrderState::default().with(&update(&[("a", item(5, 0, Status::Paid))]), ours);
    let delta = |changes: Vec<StockChange>| changes.iter().map(|change| change.delta).sum::<i64>();
    assert_eq!(delta(order_state.reserve(&stock(3), 9)), -3);
    assert_eq!(
        order_state.items["a"].reservation.as_ref().map(|reservation| (reservation.reserved, reservation.shortfall)),
        Some((3, 2))
    );
    assert_eq!(delta(order_state.reserve(&stock(0), 9)), 0);
    assert_eq!(delta(order_state.reserve(&stock(9), 9)), -2, "the debt is paid as soon as there is some");
    let mut fewer = order_state.with(&update(&[("a", item(5, 4, Status::Paid))]), ours);
    assert_eq!(delta(fewer.reserve(&stock(7), 9)), 4, "what was called off comes back");
    let mut left = fewer.with(&update(&[("a", item(5, 4, Status::Shipped))]), ours);
    assert_eq!(delta(left.reserve(&stock(11), 9)), 0);
    let mut returned = left.with(&update(&[("a", item(5, 5, Status::Cancelled))]), ours);
    assert_eq!(delta(returned.reserve(&stock(11), 9)), 0, "it has left the house");
    let mut unmapped = ChannelOrderState::default().with(&update(&[("a", item(5, 0, Status::Paid))]), |_| None);
    unmapped = unmapped.with(&update(&[("a", item(5, 0, Status::Paid))]), ours);
    assert_eq!(unmapped.reserve(&stock(9), 9), [], "it was told of before it was mapped");
}

#[test]
fn lines_are_what_stands_and_all_of_it_once_nothing_does() {
    let won = |amount: i64| Won::new(amount).unwrap();
    let discounted = Item { discount: won(300), ..item(3, 0, Status::Paid) };
    let order_state =
        ChannelOrderState::default().with(&update(&[("a", discounted), ("b", item(1, 1, Status::Paid))]), |_| None);
    let lines = |order_state: &ChannelOrderState| {
        order_state.lines().iter().map(|line| (line.id.to_owned(), line.units, line.discount.get())).collect::<Vec<_>>()
    };
    assert_eq!(lines(&order_state), [("a".to_owned(), 3, 300)]);
    assert_eq!(lines(&order_state.with(&claim(2, true), |_| None)), [("a".to_owned(), 1, 100)]);
    let held = |held: u32| update(&[("a", Item { held, discount: won(300), ..item(3, 0, Status::Paid) })]);
    let some_held = order_state.with(&held(2), |_| None);
    assert_eq!((lines(&some_held), some_held.status()), (vec![("a".to_owned(), 1, 100)], Status::Paid));
    let all_held = order_state.with(&held(3), |_| None);
    assert_eq!((lines(&all_held), all_held.status()), (vec![("a".to_owned(), 3, 300)], Status::Paid));
    let off = order_state.with(&claim(3, true), |_| None);
    assert_eq!(lines(&off), [("a".to_owned(), 3, 300), ("b".to_owned(), 1, 0)]);
}

/// Everything that a marketplace tells of an item `v` in these parcels.
fn whole(of: &[(&str, Item)]) -> ChannelOrderUpdate {
    ChannelOrderUpdate { items: [("v".to_owned(), parcels(of))].into(), is_whole: true, ..update(&[]) }
}

#[test]
fn an_item_that_is_put_into_several_parcels_is_still_one_item() {
    let listed = |of: &[(&str, Item)]| ChannelOrderUpdate { is_whole: false, ..whole(of) };
    let mut order_state = ChannelOrderState::default().with(&listed(&[("1", item(3, 0, Status::Accepted))]), ours);
    order_state.reserve(&stock(9), 9);
    let sent = ("2", item(1, 0, Status::Shipped));
    assert!(order_state.is_repacked(&listed(std::slice::from_ref(&sent))), "a parcel that nobody knew");
    assert!(order_state.is_repacked(&listed(&[("1", item(2, 0, Status::Accepted))])), "fewer units than before");
    assert!(!order_state.is_repacked(&listed(&[("1", item(3, 0, Status::Shipped))])));
    let kept = ("1", item(2, 0, Status::Accepted));
    let mut split = order_state.with(&whole(&[kept.clone(), sent.clone()]), ours);
    assert_eq!((split.active_units("v"), split.status(), split.items.len()), (3, Status::Accepted, 1));
    assert_eq!(split.reserve(&stock(6), 9), [], "it has what it needs");
    // What is called off of the second parcel comes back; what has left does not.
    let aborted = ("1", item(2, 2, Status::Accepted));
    let mut fewer = split.with(&whole(&[aborted, sent.clone()]), ours);
    assert_eq!((fewer.active_units("v"), fewer.status()), (1, Status::Shipped));
    assert_eq!(fewer.reserve(&stock(6), 9).iter().map(|change| change.delta).sum::<i64>(), 2);
    let dropped = split.with(&whole(&[sent]), ours);
    assert_eq!((dropped.active_units("v"), dropped.cancelled_units("v")), (1, 2), "nobody tells of it any more");
    let mut gone = fewer.with(&whole(&[]), ours);
    assert_eq!((gone.active_units("v"), gone.status(), gone.reserve(&stock(8), 9)), (0, Status::Cancelled, vec![]));
    let merged = split.with(&whole(&[("1", item(3, 0, Status::Accepted))]), ours);
    assert_eq!((merged.active_units("v"), merged.items["v"].parcels.len()), (3, 1));
}

#[test]
fn a_claim_on_a_parcel_counts_once_wherever_its_units_are_now() {
    let claim = |parcel: &str| {
        let units = [(parcel.to_owned(), 1)].into();
        let claim = Claim { item_id: "v".into(), units, ..claim(0, true).claims["r1"].clone() };
        ChannelOrderUpdate { claims: [("r1".to_owned(), claim)].into(), ..update(&[]) }
    };
    let split = whole(&[("1", item(2, 0, Status::Paid)), ("2", item(1, 0, Status::Paid))]);
    let order_state = ChannelOrderState::default().with(&split, ours).with(&claim("2"), ours);
    assert_eq!((order_state.active_units("v"), order_state.cancelled_units("v")), (2, 1));
    let asked = Item { held: 1, ..item(1, 0, Status::Paid) };
    let held = ChannelOrderState::default().with(&whole(&[("1", item(2, 0, Status::Paid)), ("2", asked)]), ours);
    assert_eq!((held.units_on_hold("v"), held.with(&claim("2"), ours).units_on_hold("v")), (1, 0), "then it is done");
    let dropped = order_state.with(&whole(&[("1", item(2, 0, Status::Paid))]), ours);
    assert_eq!(dropped.active_units("v"), 2, "that parcel is not listed any more");
    let merged = order_state.with(&whole(&[("1", item(3, 1, Status::Paid))]), ours).with(&claim("1"), ours);
    assert_eq!(merged.active_units("v"), 2, "the claim goes with its units");
    let first =
        ChannelOrderState::default().with(&claim("2"), ours).with(&whole(&[("1", item(2, 0, Status::Paid))]), ours);
    assert_eq!(first.active_units("v"), 2, "it was cancelled before the first update");
}

#[test]
fn two_items_of_one_product_draw_from_the_same_stock() {
    let both = update(&[("a", item(2, 0, Status::Paid)), ("b", item(2, 0, Status::Paid))]);
    let mut order_state = ChannelOrderState::default().with(&both, ours);
    assert_eq!(order_state.reserve(&stock(3), 1).len(), 1);
    assert_eq!(order_state.reserve(&stock(1), 9).len(), 1);
    let draws: Vec<_> = order_state.items.values().filter_map(|item_state| item_state.reservation.as_ref()).collect();
    assert_eq!(
        draws.iter().map(|reservation| (reservation.reserved, reservation.shortfall)).collect::<Vec<_>>(),
        [(2, 0), (1, 1)]
    );
}
