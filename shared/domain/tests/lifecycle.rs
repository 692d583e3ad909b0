//! The state machine of orders: every state with every command, and what random sequences of
//! commands conserve.

#![expect(clippy::unwrap_used, reason = "an unexpected value fails the test")]

use domain::{
    CouponId, CustomerId, EntryId, OrderId, ProductId, RiderId, StoreId, Timestamp, Won,
    actor::Actor,
    basket::Basket,
    delivery::Shipment,
    effects::{Effects, effects},
    lifecycle::{Command, PaymentSource},
    order::{Order, Status},
    payment::{PAYMENT_WINDOW, PaymentStatus},
    points::EntryKind,
    request::{BasketSource, OrderRequest, PaymentChoice, Terms},
};
use proptest::prelude::*;
use std::fmt::Write as _;

const START: Timestamp = Timestamp::from_millis(1_767_582_245_000);

fn won(amount: i64) -> Won {
    Won::new(amount).unwrap()
}

fn entry(number: usize) -> EntryId {
    EntryId::parse(&format!("ent_{number}")).unwrap()
}

/// An order of three units for 3,000 won, with a discount of 500 won.
fn placed(by_card: bool, of_store: bool) -> Order {
    let request = OrderRequest {
        customer_id: CustomerId::parse("c1").unwrap(),
        basket: Basket::of([(ProductId::parse("pen").unwrap(), 3, None)]).unwrap(),
        basket_source: BasketSource::Request,
        coupon_id: CouponId::parse("cpn_1").ok(),
        campaign_id: None,
        payment: if by_card {
            PaymentChoice::Card("key".parse().ok())
        } else {
            PaymentChoice::Points
        },
        delivery: None,
    };
    let store_id = of_store.then(|| StoreId::parse("s1").unwrap());
    let terms = Terms { unit_prices: vec![won(1_000)], store_id, discount: won(500) };
    request
        .placed(OrderId::parse("ord_1").unwrap(), entry(0), &terms, Actor::System, START)
        .unwrap()
}

fn command(number: usize) -> Command {
    let shipment = Shipment { carrier: "CJ".into(), tracking_number: "1".into() };
    let reason = None;
    match number {
        0 => Command::Pay(PaymentSource::Card(1)),
        1 => Command::Pay(PaymentSource::Points(entry(1))),
        2 => Command::FailPayment,
        3 => Command::Expire,
        4 => Command::Cancel { reason, refund: entry(2) },
        5 => Command::Reject { reason, refund: entry(3) },
        6 => Command::Accept,
        7 => Command::StartCooking,
        8 => Command::FinishCooking,
        9 => Command::PickUp(RiderId::parse("r1").unwrap()),
        10 => Command::Ship(shipment),
        11 => Command::ConfirmDelivery,
        12 => Command::RefundLate { attempt: 1 },
        13 => Command::FinishRefund,
        _ => Command::Unassign,
    }
}

const COMMANDS: [&str; 15] = [
    "pay by card",
    "pay with points",
    "fail payment",
    "expire",
    "cancel",
    "reject",
    "accept",
    "start cooking",
    "finish cooking",
    "pick up",
    "ship",
    "confirm delivery",
    "refund late",
    "finish refund",
    "unassign",
];

fn act(order: &Order, number: usize, now: Timestamp) -> Option<Order> {
    let event = order.decide(command(number), Actor::System, now).ok()?;
    Some(order.clone().apply(&event))
}

fn after(order: Order, commands: &[usize]) -> Order {
    let late = START.plus(PAYMENT_WINDOW);
    commands.iter().fold(order, |order, number| act(&order, *number, late).unwrap())
}

fn describe(order: &Order) -> String {
    format!("{:?}/{:?}", order.status(), order.payment.status)
}

/// Every state of an order, with the commands that lead to it.
fn states() -> Vec<(&'static str, Order)> {
    let (meal, parcel) = (|| placed(true, true), || placed(true, false));
    vec![
        ("meal", meal()),
        ("meal", after(meal(), &[2])),
        ("meal", after(meal(), &[0])),
        ("meal with points", placed(false, true)),
        ("meal", after(meal(), &[0, 6])),
        ("meal", after(meal(), &[0, 6, 7])),
        ("meal", after(meal(), &[0, 6, 7, 8])),
        ("meal", after(meal(), &[0, 6, 7, 8, 9])),
        ("meal", after(meal(), &[0, 6, 7, 8, 9, 14])),
        ("meal", after(meal(), &[0, 6, 7, 8, 9, 11])),
        ("meal", after(meal(), &[4])),
        ("meal", after(meal(), &[4, 12])),
        ("meal", after(meal(), &[0, 4])),
        ("meal", after(meal(), &[0, 4, 13])),
        ("meal with points", after(placed(false, true), &[4])),
        ("meal", after(meal(), &[0, 5])),
        ("meal", after(meal(), &[3])),
        ("meal", after(meal(), &[3, 12])),
        ("parcel", after(parcel(), &[0])),
        ("parcel", after(parcel(), &[0, 10])),
        ("parcel", after(parcel(), &[0, 10, 11])),
    ]
}

/// Compares the whole state machine, as text, with the reviewed file. A change of the state machine
/// is a change of that file, which a reviewer sees.
#[test]
fn every_state_with_every_command_matches_the_reviewed_matrix() {
    let mut matrix = String::new();
    for (kind, order) in states() {
        writeln!(matrix, "{kind} {}", describe(&order)).unwrap();
        for (number, name) in COMMANDS.iter().enumerate() {
            let outcome = order.decide(command(number), Actor::System, START.plus(PAYMENT_WINDOW));
            match outcome {
                Ok(event) => {
                    writeln!(matrix, "  {name:<16} -> {}", describe(&order.clone().apply(&event)))
                        .unwrap();
                }
                Err(refused) => {
                    writeln!(matrix, "  {name:<16}    refused, expected {:?}", refused.expected)
                        .unwrap();
                }
            }
        }
    }
    let reviewed = include_str!("lifecycle.txt");
    assert!(
        matrix == reviewed,
        "the lifecycle differs from the reviewed lifecycle.txt; it is now:\n{matrix}"
    );
}

#[test]
fn an_order_does_not_expire_before_its_payment_deadline() {
    let order = placed(true, false);
    let end = order.pay_by.unwrap();
    assert!(order.may_be_paid(START).is_ok());
    assert!(
        order
            .decide(Command::Expire, Actor::System, end.minus(std::time::Duration::from_millis(1)))
            .is_err()
    );
    assert!(order.decide(Command::Expire, Actor::System, end).is_ok());
    assert!(order.may_be_paid(end).is_err(), "no attempt starts after the deadline");
    assert!(
        order.decide(Command::Pay(PaymentSource::Card(1)), Actor::System, end).is_ok(),
        "an attempt that started before the deadline counts"
    );
}

#[test]
fn an_order_is_unchanged_after_serialisation_and_deserialisation() {
    for (_, order) in states() {
        let json = serde_json::to_value(&order).unwrap();
        assert_eq!(serde_json::from_value::<Order>(json.clone()).unwrap(), order, "{json}");
    }
}

#[test]
fn the_first_response_can_be_rebuilt_after_later_transitions() {
    for by_card in [true, false] {
        let first = placed(by_card, true);
        let histories: [&[usize]; 3] =
            if by_card { [&[0, 6, 7], &[2, 1, 4], &[3, 12, 13]] } else { [&[6], &[4], &[5]] };
        for history in histories {
            let later = after(first.clone(), history);
            let first_again = later.as_placed();
            let facts = |order: &Order| {
                let Order { version, origin, timeline, updated_at, payment, pay_by, .. } =
                    order.clone();
                (
                    version,
                    origin,
                    timeline,
                    updated_at,
                    (payment.method, payment.status, payment.paid_at),
                    pay_by,
                )
            };
            assert_eq!(facts(&first_again), facts(&first), "{history:?}");
        }
    }
    let paid = after(placed(true, true), &[0]);
    for history in [&[6, 7, 8][..], &[4, 13], &[5]] {
        let paid_again = after(paid.clone(), history).as_paid();
        assert_eq!(
            (paid_again.version, &paid_again.origin, &paid_again.timeline),
            (2, &paid.origin, &paid.timeline)
        );
        assert_eq!(
            (paid_again.updated_at, paid_again.payment.paid_at),
            (paid.updated_at, paid.payment.paid_at)
        );
    }
}

/// The stock, points, coupon and card charges beside the order, to compare the order with.
#[derive(Debug)]
struct Books {
    stock: i64,
    points: i64,
    coupon_is_used: bool,
    charged: i64,
}

impl Books {
    fn apply(
        &mut self,
        order: &Order,
        Effects { releases_stock, points, refunds_attempt: _ }: &Effects,
    ) {
        if *releases_stock {
            self.stock += order.lines.iter().map(|line| i64::from(line.quantity)).sum::<i64>();
            assert!(self.coupon_is_used, "a coupon is released once");
            self.coupon_is_used = false;
        }
        if let Some((_, kind, amount)) = points {
            assert_eq!(amount.get() < 0, *kind == EntryKind::Use);
            self.points += amount.get();
        }
    }

    /// Asserts that these books agree with the order.
    fn assert_agree(&self, order: &Order) {
        let reserved = if order.status().is_aborted() { 0 } else { 3 };
        assert_eq!(
            (self.stock + reserved, self.coupon_is_used),
            (10, !order.status().is_aborted()),
            "{}",
            describe(order)
        );
        let by_points =
            order.payment.ledger_entry.is_some() && order.payment.status == PaymentStatus::Paid;
        let spent = if by_points { order.total_amount.get() } else { 0 };
        assert_eq!(self.points + spent, 10_000, "{}", describe(order));
        let by_card = order.payment.attempt.is_some()
            && matches!(order.payment.status, PaymentStatus::Paid | PaymentStatus::Refunding);
        assert_eq!(
            self.charged,
            if by_card { order.total_amount.get() } else { 0 },
            "{}",
            describe(order)
        );
    }
}

proptest! {
    #[test]
    fn money_and_stock_are_conserved_and_final_statuses_do_not_change(
        by_card: bool, of_store: bool, commands in prop::collection::vec((0..COMMANDS.len(), 0..10u64), 0..40),
    ) {
        let mut order = placed(by_card, of_store);
        let total = order.total_amount.get();
        prop_assert_eq!(order.original_amount.get() - order.discount_amount.get(), total);
        let points = if by_card { 10_000 } else { 10_000 - total };
        let mut books = Books { stock: 7, points, coupon_is_used: true, charged: 0 };
        books.assert_agree(&order);
        let mut now = START;
        for (number, minutes) in commands {
            now = now.plus(std::time::Duration::from_mins(minutes));
            let Some(next) = act(&order, number, now) else { continue };
            match command(number) {
                Command::Pay(PaymentSource::Card(_)) | Command::RefundLate { .. } => books.charged += total,
                Command::FinishRefund => books.charged -= total,
                Command::Pay(PaymentSource::Points(_)) | Command::FailPayment | Command::Expire | Command::Cancel { .. }
                | Command::Reject { .. } | Command::Accept | Command::StartCooking | Command::FinishCooking
                | Command::PickUp(_) | Command::Unassign | Command::Ship(_) | Command::ConfirmDelivery => {}
            }
            let effects = effects(&order, &next);
            books.apply(&order, &effects);
            books.assert_agree(&next);
            prop_assert_eq!(next.version, order.version + 1);
            let is_end = |status: Status| status.is_aborted() || status == Status::Completed;
            if is_end(order.status()) {
                prop_assert_eq!(next.status(), order.status(), "a final status does not change");
                prop_assert_eq!(&next.timeline, &order.timeline);
            } else if next.status() != order.status() {
                prop_assert_eq!(next.timeline.len(), order.timeline.len() + 1);
            }
            if effects.refunds_attempt.is_some() {
                prop_assert_eq!(next.payment.status, PaymentStatus::Refunding);
            }
            order = next;
        }
    }
}
