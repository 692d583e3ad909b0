//! Single entries of a marketplace: malformed, missing, changed or withdrawn.

use crate::support::{
    channels::{CHANNELS, collect, orders, place, register, stage},
    pass_time, text,
};
use local::World;
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::channels::*;

#[tokio::test]
async fn a_run_warns_about_expiring_credentials() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    assert_eq!(collect(&world, &channel).await["warning"], Value::Null);
    world.advance(Duration::from_hours(24 * 170));
    let run = collect(&world, &channel).await;
    assert!(text(&run, "warning").starts_with("the credentials expire at 2026-07-04"), "{run}");
    place(&world, "coupang", 7);
    quirks(&world, "coupang", &["garbled"]);
    let both = text(&collect(&world, &channel).await, "warning");
    assert!(
        both.contains("expire at") && both.ends_with("; 1 malformed entries, such as 70"),
        "{both}"
    );
    quirks(&world, "coupang", &["key-expired"]);
    let run = collect(&world, &channel).await;
    assert_eq!(
        run["error"],
        "the marketplace rejects the credentials: 401 ERROR Request is not authorized."
    );
    let good = json!({ "credentials": world.partner("coupang").credentials["shops"][0] });
    world.operator().patch(&format!("{CHANNELS}/{channel}"), &good).await;
    quirks(&world, "coupang", &[]);
    assert_eq!(collect(&world, &channel).await["warning"], Value::Null);
}

#[tokio::test]
async fn a_malformed_entry_blocks_no_other_and_is_collected_once_it_is_valid() {
    for (partner, quirk) in [("coupang", "garbled"), ("smartstore", "garbled")] {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        for order in 1..=3 {
            place(&world, partner, order);
        }
        quirks(&world, partner, &[quirk]);
        let run = collect(&world, &channel).await;
        assert_eq!(
            (&run["status"], &run["unread"], &run["changed"]),
            (&json!("DONE"), &json!(1), &json!(2)),
            "{run}"
        );
        assert!(text(&run, "warning").starts_with("1 malformed entries, such as "), "{run}");
        // The order is collected however long its entry stays malformed.
        for _ in 0..3 {
            pass_time(&world, Duration::from_hours(60)).await;
            collect(&world, &channel).await;
        }
        quirks(&world, partner, &[]);
        let run = collect(&world, &channel).await;
        assert_eq!(
            (&run["status"], &run["unread"], &run["changed"]),
            (&json!("DONE"), &json!(0), &json!(1)),
            "{run}"
        );
        assert_eq!(orders(&world, &channel).await.len(), 3);
    }
}

#[tokio::test]
async fn a_missing_order_detail_is_requested_again() {
    let world = World::new().await;
    let channel = register(&world, "smartstore", 0).await;
    for order in 1..=3 {
        place(&world, "smartstore", order);
    }
    quirks(&world, "smartstore", &["forgets-one"]);
    let run = collect(&world, &channel).await;
    assert_eq!(
        (&run["status"], &run["unread"], &run["changed"]),
        (&json!("DONE"), &json!(0), &json!(3)),
        "{run}"
    );
}

#[tokio::test]
async fn a_changed_delivery_address_is_collected() {
    for partner in PARTNERS {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        collect(&world, &channel).await;
        let status = if partner == "coupang" { "ACCEPT" } else { "PAYED" };
        stage(
            &world,
            partner,
            json!({ "move": { "order": 7, "status": status, "address": "부산시 해운대구" } }),
        );
        let run = collect(&world, &channel).await;
        let order = orders(&world, &channel).await.remove("7").unwrap();
        assert_eq!(
            (&run["changed"], &order["version"]),
            (&json!(0), &json!(1)),
            "the order itself is unchanged"
        );
        assert_eq!(order["recipient"]["address"], "부산시 해운대구 1층", "{partner}");
    }
}

#[tokio::test]
async fn a_withdrawn_claim_restores_the_quantity() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    place(&world, "coupang", 7);
    let claim = |quantity: u32| json!({ "claim": { "claim": 1, "order": 7, "item": 70, "quantity": quantity, "done": false } });
    stage(&world, "coupang", claim(1));
    collect(&world, &channel).await;
    let units = async || orders(&world, &channel).await["7"]["items"][0]["quantity"].clone();
    assert_eq!(units().await, 1, "one unit is claimed");
    stage(&world, "coupang", claim(0));
    collect(&world, &channel).await;
    assert_eq!(units().await, 2);
}

#[tokio::test]
async fn a_channel_that_is_registered_again_finds_its_orders() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    place(&world, "coupang", 7);
    collect(&world, &channel).await;
    let before = orders(&world, &channel).await;
    assert_eq!(world.operator().delete(&format!("{CHANNELS}/{channel}")).await.status, 204);
    assert_eq!(orders(&world, &channel).await, before, "the orders of a deleted channel remain");
    assert_eq!(register(&world, "coupang", 0).await, channel);
    let run = collect(&world, &channel).await;
    assert_eq!((&run["orders"], &run["changed"]), (&json!(1), &json!(0)), "{run}");
}

#[tokio::test]
async fn a_run_from_a_blocked_ip_address_reports_the_error() {
    for (partner, message) in [
        ("coupang", "403 ERROR [FORBIDDEN] Not allowed IP"),
        ("smartstore", "403 GW.IP_NOT_ALLOWED"),
    ] {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        quirks(&world, partner, &["not-allowed-ip"]);
        let run = collect(&world, &channel).await;
        assert_eq!(run["status"], "FAILED");
        assert!(text(&run, "error").contains(message), "{run}");
    }
}
