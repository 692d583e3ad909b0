//! Event contracts with other systems are stable: golden files may be added under
//! `events/contracts/`, but existing ones do not change.

use domain::{
    CustomerId, EntryId, RiderId, StoreId,
    actor::Actor,
    delivery::Shipment,
    lifecycle::Command,
    order::{Change, Order},
};
use events::{Envelope, EventType};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// The event for an order's last change.
fn order_event(order: &Order) -> Envelope<events::Order> {
    events::order_event(order.into(), order.last_change)
}

fn golden(event_type: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../events/contracts/{event_type}.json"));
    serde_json::from_str(
        &fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
    .unwrap()
}

/// A paid order of a store, with a campaign and a delivery.
fn order() -> Order {
    serde_json::from_value(json!({
        "orderId": "ord_5MA3EXAMP1E000000000000000", "version": 1, "origin": "OWN", "status": "PAID",
        "customerId": "minji", "storeId": "s1",
        "campaignId": "spring",
        "lines": [{ "productId": "soup", "quantity": 2, "unitPrice": 9_000, "totalPrice": 18_000 }],
        "originalAmount": 18_000, "discountAmount": 0, "totalAmount": 18_000,
        "payment": { "method": "POINTS", "amount": 18_000, "status": "PAID", "paidAt": "2026-01-05T03:04:05.678Z" },
        "lastChange": "PAID",
        "delivery": { "address": "Seoul, Sejong-daero 110", "lat": 37.5665, "lng": 126.978, "phone": "010-1234-5678" },
        "timeline": [{ "status": "PAID", "at": "2026-01-05T03:04:05.678Z", "by": "customer:minji" }],
        "placedAt": "2026-01-05T03:04:05.678Z", "updatedAt": "2026-01-05T03:04:05.678Z",
    }))
    .unwrap()
}

#[test]
fn order_paid_matches_its_contract() {
    assert_eq!(serde_json::to_value(order_event(&order())).unwrap(), golden("order.paid.v1"));
}

#[test]
fn order_cancelled_matches_its_contract() {
    let mut cancelled = serde_json::to_value(order()).unwrap();
    cancelled["status"] = json!("CANCELLED");
    cancelled["lastChange"] = json!("CANCELLED");
    cancelled["version"] = json!(2);
    cancelled["payment"]["status"] = json!("REFUNDED");
    cancelled["updatedAt"] = json!("2026-01-05T03:05:00.000Z");
    let step = json!({ "status": "CANCELLED", "at": "2026-01-05T03:05:00.000Z", "by": "operator" });
    cancelled["timeline"].as_array_mut().unwrap().push(step);
    let cancelled: Order = serde_json::from_value(cancelled).unwrap();
    assert_eq!(
        serde_json::to_value(order_event(&cancelled)).unwrap(),
        golden("order.cancelled.v1")
    );
}

/// The lifecycle of an order whose card is charged after it expired, event by event.
#[test]
fn every_payment_event_matches_its_contract() {
    let mut held = serde_json::to_value(order()).unwrap();
    held["status"] = json!("STOCK_ALLOCATED");
    held["lastChange"] = json!("STOCK_ALLOCATED");
    held["payment"] = json!({ "method": "CARD", "amount": 15_000, "status": "PENDING" });
    (held["discountAmount"], held["totalAmount"]) = (json!(3_000), json!(15_000));
    held["couponId"] = json!("cpn_5MA3EXAMP1E000000000000000");
    held["payBy"] = json!("2026-01-05T03:19:05.678Z");
    held["timeline"][0]["status"] = json!("STOCK_ALLOCATED");
    let mut order: Order = serde_json::from_value(held).unwrap();
    assert_eq!(
        serde_json::to_value(order_event(&order)).unwrap(),
        golden("order.stock-allocated.v1")
    );
    for (command, at, event_type) in [
        (Command::FailPayment, "2026-01-05T03:05:00.000Z", "order.payment-failed.v1"),
        (Command::Expire, "2026-01-05T03:19:05.678Z", "order.expired.v1"),
        (Command::RefundLate { attempt: 1 }, "2026-01-05T03:20:00.000Z", "order.refund-started.v1"),
        (Command::FinishRefund, "2026-01-05T03:20:01.000Z", "order.refunded.v1"),
    ] {
        let event = order.decide(command, Actor::System, at.parse().unwrap()).unwrap();
        order = order.apply(&event);
        assert_eq!(serde_json::to_value(order_event(&order)).unwrap(), golden(event_type));
    }
}

/// The lifecycles of paid orders, event by event: delivered by a rider, shipped as a parcel,
/// rejected by the store.
#[test]
fn every_fulfilment_event_matches_its_contract() {
    let (store, rider) =
        (Actor::Store(StoreId::parse("s1").unwrap()), RiderId::parse("r1").unwrap());
    let (customer, refund) = (
        CustomerId::parse("minji").unwrap(),
        EntryId::parse("ent_01KE5RA8Z0000000000000SAMP").unwrap(),
    );
    let parcel =
        Shipment { carrier: "CJ대한통운".into(), tracking_number: "123456789012".into() };
    let lifecycles = [
        vec![
            (Command::Accept, store.clone(), "order.accepted.v1"),
            (Command::StartCooking, store.clone(), "order.cooking.v1"),
            (Command::FinishCooking, store.clone(), "order.cooked.v1"),
            (Command::PickUp(rider.clone()), Actor::Rider(rider), "order.picked-up.v1"),
            (Command::ConfirmDelivery, Actor::Customer(customer), "order.completed.v1"),
        ],
        vec![(Command::Ship(parcel), Actor::Operator(None), "order.shipped.v1")],
        vec![(
            Command::Reject { reason: Some("재료 소진".into()), refund },
            store,
            "order.rejected.v1",
        )],
    ];
    for (lifecycle, is_of_store) in lifecycles.into_iter().zip([true, false, true]) {
        let mut order = Order { store_id: order().store_id.filter(|_| is_of_store), ..order() };
        for (minute, (command, by, event_type)) in lifecycle.into_iter().enumerate() {
            let at = format!("2026-01-05T03:{:02}:00.000Z", 10 + minute);
            order = order.clone().apply(&order.decide(command, by, at.parse().unwrap()).unwrap());
            assert_eq!(serde_json::to_value(order_event(&order)).unwrap(), golden(event_type));
        }
    }
}

/// An external order that its own system corrects.
#[test]
fn order_updated_matches_its_contract() {
    let order: events::Order =
        serde_json::from_value(golden("order.updated.v1")["data"].clone()).unwrap();
    assert_eq!(
        serde_json::to_value(events::order_event(order, Change::Updated)).unwrap(),
        golden("order.updated.v1")
    );
}

#[test]
fn every_event_type_has_a_contract() {
    for event_type in EventType::ALL {
        golden(event_type.as_str());
    }
}

#[test]
fn the_current_types_read_and_reproduce_every_contract() {
    let files = fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events/contracts"))
        .unwrap();
    for file in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        let event_type = name.trim_end_matches(".json");
        let envelope: Envelope<events::Order> = serde_json::from_value(golden(event_type)).unwrap();
        assert_eq!(envelope.event_type.as_str(), event_type);
        assert_eq!(serde_json::to_value(envelope).unwrap(), golden(event_type));
    }
}
