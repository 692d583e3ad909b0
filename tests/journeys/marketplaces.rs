//! Marketplaces as they are: slow, moody, and with more pages than one expects. Nothing is lost, and nothing comes twice.

use crate::{
    assert_books_are_clean,
    channels::{CHANNELS, a_minute_passes, collect, orders, place, register, runs, stage},
    left, pass, shop, text,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Mode},
};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const PARTNERS: [&str; 2] = ["coupang", "smartstore"];

/// From now on, the marketplace is like this.
pub(crate) fn quirks(world: &World, partner: &str, quirks: &[&str]) {
    let quirks = quirks.iter().map(|quirk| (*quirk).to_owned()).collect();
    world.partner(partner).behave(Behaviour { quirks, ..Behaviour::default() });
}

/// Lets time go by a minute at a time, until every run of a channel has ended; tells about the last.
pub(crate) async fn until_it_ends(world: &World, channel: &str) -> Value {
    for _ in 0..30 {
        let last = runs(world, channel).await.into_iter().next();
        if last.as_ref().is_none_or(|last| last["status"] != "RUNNING") {
            return last.unwrap_or_default();
        }
        a_minute_passes(world).await;
    }
    panic!("{:?}", runs(world, channel).await)
}

#[tokio::test]
async fn pages_that_are_small_or_repeat_or_move_while_they_are_read_lose_nothing() {
    for (partner, moods) in [
        (
            "coupang",
            &[&["small-pages"][..], &["small-pages", "duplicates"], &["small-pages", "moves-between-pages"], &["v4"]][..],
        ),
        ("smartstore", &[&["small-pages"], &["small-pages", "list-behind"], &["small-pages", "token-dies"]]),
    ] {
        for mood in moods {
            let world = World::new().await;
            let channel = register(&world, partner, 0).await;
            quirks(&world, partner, mood);
            // All in one millisecond.
            for order in 1..=7 {
                place(&world, partner, order);
            }
            let run = collect(&world, &channel).await;
            assert_eq!(run["status"], "DONE", "{mood:?} {run}");
            let seen = orders(&world, &channel).await;
            assert_eq!(seen.len(), 7, "{mood:?}");
            assert!(seen.values().all(|order| order["totalAmount"] == 9_000), "{mood:?} {seen:?}");
            let run = collect(&world, &channel).await;
            assert_eq!((&run["status"], &run["changed"]), (&json!("DONE"), &json!(0)), "{mood:?} {run}");
        }
    }
}

#[tokio::test]
async fn calls_of_an_account_take_turns_as_far_apart_as_its_marketplace_wants() {
    for (partner, account, apart) in
        [("coupang", "COUPANG#A00012345", 250), ("smartstore", "SMARTSTORE#stub-client-1", 500)]
    {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        let begun_at = world.now();
        let calls = collect(&world, &channel).await["calls"].as_u64().unwrap();
        // Time is held here and nobody waits; but each call has taken its turn.
        let key = json!({ "pk": { "S": format!("ACCOUNT#{account}") }, "sk": { "S": "TURN" } });
        let next = async || -> domain::Timestamp {
            let turn = world.dynamodb("GetItem", json!({ "TableName": "ChannelsTable", "Key": key })).await;
            text(&turn["Item"]["nextAt"], "S").parse().unwrap()
        };
        let taken = Duration::from_millis(apart * calls);
        assert!(next().await >= begun_at.plus(taken), "{partner}: {calls} calls");
        // Four at once take four.
        world.advance(Duration::from_mins(2));
        let (operator, path) = (world.operator(), format!("{CHANNELS}/{channel}/test"));
        let begun_at = world.now();
        let body = json!({});
        let test = || operator.post(&path, &body);
        let tested = tokio::join!(test(), test(), test(), test());
        for tested in [tested.0, tested.1, tested.2, tested.3] {
            assert_eq!(tested.json()["ok"], true, "{tested:?}");
        }
        assert!(next().await >= begun_at.plus(Duration::from_millis(apart * 4)), "{partner}");
    }
}

#[tokio::test]
async fn a_marketplace_that_counts_calls_gets_fewer_and_nothing_is_lost() {
    for partner in PARTNERS {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        quirks(&world, partner, &["rate-limit", "small-pages"]);
        for order in 1..=9 {
            place(&world, partner, order);
        }
        collect(&world, &channel).await;
        assert_eq!(until_it_ends(&world, &channel).await["status"], "DONE");
        let too_often = world.partner(partner).requests().iter().filter(|request| request.status == 429).count();
        assert!(too_often > 0, "where time is held nobody waits for a turn");
        assert_eq!(orders(&world, &channel).await.len(), 9, "{partner}");
    }
}

#[tokio::test]
async fn a_marketplace_in_trouble_is_asked_again_and_at_last_the_run_is_given_up_and_the_next_one_loses_nothing() {
    let mode = |mode, status| Behaviour { mode, status, ..Behaviour::default() };
    let page = Behaviour { quirks: vec!["forbidden-page".into()], ..Behaviour::default() };
    let error = Behaviour { quirks: vec!["error-in-200".into()], ..Behaviour::default() };
    for (partner, trouble, words) in [
        ("coupang", mode(Mode::Error, None), "out of order: 500 ERROR Internal server error"),
        ("coupang", mode(Mode::Ok, Some(429)), "called too often"),
        ("coupang", error, "out of order: 200 ERROR Something went wrong"),
        ("coupang", page, "left alone for 600s"),
        ("smartstore", mode(Mode::Error, None), "out of order: 500 GW.PROXY.01"),
        ("smartstore", mode(Mode::Error, Some(503)), "out of order: 503"),
        ("smartstore", mode(Mode::Ok, Some(429)), "called too often"),
        ("smartstore", mode(Mode::Down, None), "out of order"),
    ] {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        // A short trouble is waited out.
        world.partner(partner).behave(trouble.clone());
        let run = collect(&world, &channel).await;
        assert_eq!(run["status"], "RUNNING", "{partner} {trouble:?} {run}");
        assert!(text(&run, "error").contains(words), "{run}");
        world.partner(partner).be(Mode::Ok);
        assert_eq!(until_it_ends(&world, &channel).await["status"], "DONE", "{partner} {trouble:?}");
        assert_eq!(orders(&world, &channel).await.len(), 1);
        // A long one is not; the place stays where it was.
        place(&world, partner, 8);
        let until = world.operator().get(&format!("{CHANNELS}/{channel}")).await.json()["collectedUntil"].clone();
        world.partner(partner).behave(trouble.clone());
        collect(&world, &channel).await;
        let mut failed = Value::Null;
        for _ in 0..80 {
            failed = runs(&world, &channel).await[0].clone();
            if failed["status"] == "FAILED" {
                break;
            }
            a_minute_passes(&world).await;
        }
        assert_eq!(failed["status"], "FAILED", "{partner} {trouble:?} {failed}");
        let now = world.operator().get(&format!("{CHANNELS}/{channel}")).await.json()["collectedUntil"].clone();
        assert_eq!(until, now);
        world.partner(partner).be(Mode::Ok);
        assert_eq!(collect(&world, &channel).await["status"], "DONE");
        assert_eq!(orders(&world, &channel).await.len(), 2);
    }
}

#[tokio::test]
async fn one_channel_in_trouble_delays_no_other() {
    let world = World::new().await;
    let coupang = register(&world, "coupang", 0).await;
    let smartstore = register(&world, "smartstore", 0).await;
    for partner in PARTNERS {
        place(&world, partner, 7);
    }
    world.partner("coupang").be(Mode::Slow);
    world.fire("schedule-collections").await.unwrap();
    pass(&world, Duration::from_secs(1)).await;
    assert_eq!(runs(&world, &coupang).await[0]["status"], "RUNNING");
    let run = &runs(&world, &smartstore).await[0];
    assert_eq!((&run["status"], &run["changed"]), (&json!("DONE"), &json!(1)));
}

#[tokio::test]
async fn a_collection_that_would_outlive_its_function_is_gone_on_with_by_the_schedule() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    for order in 1..=9 {
        place(&world, "coupang", order);
    }
    // Each page takes half a minute, and a function five.
    let slow = Behaviour { delay_ms: Some(30_000), quirks: vec!["small-pages".into()], ..Behaviour::default() };
    world.partner("coupang").behave(slow);
    let asked = world.operator().post(&format!("{CHANNELS}/{channel}/collect"), &json!({})).await.json();
    world.take_calls();
    world.settle().await;
    assert!(world.take_calls().iter().all(|call| call.function != "collect-channel" || call.service != "sqs"));
    let half = &runs(&world, &channel).await[0];
    assert_eq!((&half["runId"], &half["status"]), (&asked["runId"], &json!("RUNNING")), "{half}");
    world.partner("coupang").behave(Behaviour { quirks: vec!["small-pages".into()], ..Behaviour::default() });
    let run = &until_it_ends(&world, &channel).await;
    assert_eq!((&run["runId"], &run["status"], &run["changed"]), (&asked["runId"], &json!("DONE"), &json!(9)), "{run}");
}

#[tokio::test]
async fn two_messages_for_one_run_and_one_that_was_lost_do_no_harm() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    place(&world, "coupang", 7);
    let collect = format!("{CHANNELS}/{channel}/collect");
    let first = world.operator().post(&collect, &json!({})).await.json();
    let message = world.messages("CollectChannelQueue").remove(0);
    world.send_message("CollectChannelQueue", &message);
    pass(&world, Duration::from_mins(2)).await;
    let seen = runs(&world, &channel).await;
    assert_eq!((seen.len(), &seen[0]["runId"], &seen[0]["changed"]), (1, &first["runId"], &json!(1)));
    // A run that was begun, and whose message is gone.
    world.partner("coupang").be(Mode::Error);
    world.operator().post(&collect, &json!({})).await;
    world.settle().await;
    assert_eq!(world.messages("CollectChannelQueue").len(), 0, "it goes on by the schedule");
    world.partner("coupang").be(Mode::Ok);
    until_it_ends(&world, &channel).await;
    assert!(runs(&world, &channel).await.iter().all(|run| run["status"] == "DONE"));
}

#[tokio::test]
async fn a_channel_is_collected_whatever_call_fails_how() {
    let world = shop().await;
    let mut channels = Vec::new();
    for partner in PARTNERS {
        stage(&world, partner, json!({ "product": { "product": 900, "name": "Pen", "price": 1_000, "stock": 0 } }));
        let channel = register(&world, partner, 0).await;
        collect(&world, &channel).await;
        let path = format!("{CHANNELS}/{channel}/products/900");
        assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
        channels.push(channel);
    }
    world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 100_000 })).await;
    pass(&world, Duration::from_mins(2)).await;
    // Only what collects is to fail.
    let others = ["relay-orders", "project-change-feed"];
    for function in others {
        world.enable(function, false);
    }
    let mut number = 0;
    for (partner, channel) in PARTNERS.into_iter().zip(&channels) {
        for kind in [Kind::Before, Kind::After] {
            for nth in 1.. {
                number += 1;
                place(&world, partner, number);
                let before = left(&world, "pen").await;
                world.operator().post(&format!("{CHANNELS}/{channel}/collect"), &json!({})).await;
                world.take_calls();
                world.inject([Rule::nth(nth, kind), Rule { count: Some(1), ..Rule::nth(nth + 1, kind) }]);
                world.settle().await;
                let calls = world.take_calls().len();
                world.inject([]);
                while !world.messages("CollectChannelQueue").is_empty() {
                    a_minute_passes(&world).await;
                }
                until_it_ends(&world, channel).await;
                let all = runs(&world, channel).await;
                assert_eq!(all[0]["status"], "DONE", "{nth} {kind:?} {}", all[0]);
                let order = &orders(&world, channel).await[&number.to_string()];
                assert_eq!((&order["version"], &order["totalAmount"]), (&json!(1), &json!(9_000)), "{nth} {kind:?}");
                assert_eq!(left(&world, "pen").await, before - 2, "{nth} {kind:?}");
                if u64::try_from(calls).unwrap() < nth {
                    break;
                }
            }
        }
    }
    for function in others {
        world.enable(function, true);
    }
    // Both have our stock in the end.
    for channel in &channels {
        collect(&world, channel).await;
    }
    for partner in PARTNERS {
        let there = world.partner(partner).books()["shops"][0]["products"][0]["stock"].clone();
        assert_eq!(there, left(&world, "pen").await, "{partner}");
    }
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn the_mock_makes_up_orders_without_any_network() {
    let world = World::new().await;
    let body = json!({ "name": "Try it", "type": "MOCK", "intervalMinutes": 60 });
    let channel = text(&world.operator().post(CHANNELS, &body).await.json(), "channelId");
    let run = collect(&world, &channel).await;
    assert_eq!((&run["status"], &run["orders"], &run["products"]), (&json!("DONE"), &json!(241), &json!(3)), "{run}");
    pass(&world, Duration::from_hours(25)).await;
    let run = collect(&world, &channel).await;
    let seen = orders(&world, &channel).await;
    assert!(run["changed"].as_u64().unwrap() >= 8 && seen.len() == 249, "{run} {}", seen.len());
    for status in ["CANCELLED", "COMPLETED", "SHIPPED"] {
        assert!(seen.values().any(|order| order["status"] == status), "{status}");
    }
}

#[tokio::test]
async fn products_of_ours_and_of_every_channel_are_listed_page_by_page() {
    let world = shop().await;
    for partner in PARTNERS {
        for product in 900..903 {
            let product = json!({ "product": product, "name": "Pen", "price": 1_000, "stock": 3 });
            stage(&world, partner, json!({ "product": product }));
        }
        let channel = register(&world, partner, 0).await;
        collect(&world, &channel).await;
    }
    for limit in 1..=10 {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.operator().get(&format!("/api/v1/admin/products?limit={limit}{cursor}")).await.json();
            seen.extend(page["products"].as_array().unwrap().iter().map(Value::to_string));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((all, seen.len()), (9, 9), "{limit} at a time");
    }
}

#[tokio::test]
async fn credentials_that_expire_are_warned_about() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    assert_eq!(collect(&world, &channel).await["warning"], Value::Null);
    world.advance(Duration::from_hours(24 * 170));
    let run = collect(&world, &channel).await;
    assert!(text(&run, "warning").starts_with("the credentials expire at 2026-07-04"), "{run}");
    place(&world, "coupang", 7);
    quirks(&world, "coupang", &["garbled"]);
    let both = text(&collect(&world, &channel).await, "warning");
    assert!(both.contains("expire at") && both.ends_with("; 1 entries are not understood, such as 70"), "{both}");
    quirks(&world, "coupang", &["key-expired"]);
    let run = collect(&world, &channel).await;
    assert_eq!(run["error"], "the marketplace refuses the credentials: 401 ERROR Request is not authorized.");
    let good = json!({ "credentials": world.partner("coupang").credentials["shops"][0] });
    world.operator().patch(&format!("{CHANNELS}/{channel}"), &good).await;
    quirks(&world, "coupang", &[]);
    assert_eq!(collect(&world, &channel).await["warning"], Value::Null);
}

#[tokio::test]
async fn what_is_not_understood_keeps_nothing_else_back_and_is_collected_once_it_is() {
    for (partner, mood) in [("coupang", "garbled"), ("smartstore", "garbled")] {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        for order in 1..=3 {
            place(&world, partner, order);
        }
        quirks(&world, partner, &[mood]);
        let run = collect(&world, &channel).await;
        assert_eq!((&run["status"], &run["unread"], &run["changed"]), (&json!("DONE"), &json!(1), &json!(2)), "{run}");
        assert!(text(&run, "warning").starts_with("1 entries are not understood, such as "), "{run}");
        // However long it takes to mend it.
        for _ in 0..3 {
            pass(&world, Duration::from_hours(60)).await;
            collect(&world, &channel).await;
        }
        quirks(&world, partner, &[]);
        let run = collect(&world, &channel).await;
        assert_eq!((&run["status"], &run["unread"], &run["changed"]), (&json!("DONE"), &json!(0), &json!(1)), "{run}");
        assert_eq!(orders(&world, &channel).await.len(), 3);
    }
}

#[tokio::test]
async fn a_detail_that_is_left_out_is_asked_for_once_more() {
    let world = World::new().await;
    let channel = register(&world, "smartstore", 0).await;
    for order in 1..=3 {
        place(&world, "smartstore", order);
    }
    quirks(&world, "smartstore", &["forgets-one"]);
    let run = collect(&world, &channel).await;
    assert_eq!((&run["status"], &run["unread"], &run["changed"]), (&json!("DONE"), &json!(0), &json!(3)), "{run}");
}

#[tokio::test]
async fn an_order_that_is_to_go_elsewhere_goes_there() {
    for partner in PARTNERS {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        collect(&world, &channel).await;
        let status = if partner == "coupang" { "ACCEPT" } else { "PAYED" };
        stage(&world, partner, json!({ "move": { "order": 7, "status": status, "address": "부산시 해운대구" } }));
        let run = collect(&world, &channel).await;
        let order = orders(&world, &channel).await.remove("7").unwrap();
        assert_eq!((&run["changed"], &order["version"]), (&json!(0), &json!(1)), "the order is the same");
        assert_eq!(order["recipient"]["address"], "부산시 해운대구 1층", "{partner}");
    }
}

#[tokio::test]
async fn a_claim_that_is_withdrawn_holds_nothing_back() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    place(&world, "coupang", 7);
    let claim =
        |quantity: u32| json!({ "claim": { "claim": 1, "order": 7, "item": 70, "quantity": quantity, "done": false } });
    stage(&world, "coupang", claim(1));
    collect(&world, &channel).await;
    let units = async || orders(&world, &channel).await["7"]["items"][0]["quantity"].clone();
    assert_eq!(units().await, 1, "one is not to be shipped");
    stage(&world, "coupang", claim(0));
    collect(&world, &channel).await;
    assert_eq!(units().await, 2);
}

#[tokio::test]
async fn a_channel_that_is_registered_anew_knows_its_orders_again() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    place(&world, "coupang", 7);
    collect(&world, &channel).await;
    let before = orders(&world, &channel).await;
    assert_eq!(world.operator().delete(&format!("{CHANNELS}/{channel}")).await.status, 204);
    assert_eq!(orders(&world, &channel).await, before, "its orders stay");
    assert_eq!(register(&world, "coupang", 0).await, channel);
    let run = collect(&world, &channel).await;
    assert_eq!((&run["orders"], &run["changed"]), (&json!(1), &json!(0)), "{run}");
}

#[tokio::test]
async fn who_comes_from_an_address_that_is_not_let_in_is_told_so() {
    for (partner, words) in
        [("coupang", "403 ERROR [FORBIDDEN] Not allowed IP"), ("smartstore", "403 GW.IP_NOT_ALLOWED")]
    {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        quirks(&world, partner, &["not-allowed-ip"]);
        let run = collect(&world, &channel).await;
        assert_eq!(run["status"], "FAILED");
        assert!(text(&run, "error").contains(words), "{run}");
    }
}
