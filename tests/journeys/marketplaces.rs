//! Collecting from marketplaces that are slow, faulty or rate limited, or whose pages shift. No
//! order is lost, and none is collected twice.

use crate::support::{
    assert_books_are_clean,
    channels::{
        CHANNELS, PARTNERS, a_minute_passes, collect, orders, place, quirks, register,
        run_until_ended, runs, stage,
    },
    pass_time, shop, text, units_in_stock,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Mode},
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn small_repeated_or_shifting_pages_lose_no_order() {
    for (partner, quirk_sets) in [
        (
            "coupang",
            &[
                &["small-pages"][..],
                &["small-pages", "duplicates"],
                &["small-pages", "moves-between-pages"],
                &["v4"],
            ][..],
        ),
        (
            "smartstore",
            &[&["small-pages"], &["small-pages", "list-behind"], &["small-pages", "token-dies"]],
        ),
    ] {
        for quirk_set in quirk_sets {
            let world = World::new().await;
            let channel = register(&world, partner, 0).await;
            quirks(&world, partner, quirk_set);
            // All orders are placed in the same millisecond.
            for order in 1..=7 {
                place(&world, partner, order);
            }
            let run = collect(&world, &channel).await;
            assert_eq!(run["status"], "DONE", "{quirk_set:?} {run}");
            let seen = orders(&world, &channel).await;
            assert_eq!(seen.len(), 7, "{quirk_set:?}");
            assert!(
                seen.values().all(|order| order["totalAmount"] == 9_000),
                "{quirk_set:?} {seen:?}"
            );
            let run = collect(&world, &channel).await;
            assert_eq!(
                (&run["status"], &run["changed"]),
                (&json!("DONE"), &json!(0)),
                "{quirk_set:?} {run}"
            );
        }
    }
}

#[tokio::test]
async fn calls_for_one_account_are_spaced_as_its_marketplace_requires() {
    for (partner, account, interval_ms) in
        [("coupang", "COUPANG#A00012345", 250), ("smartstore", "SMARTSTORE#stub-client-1", 500)]
    {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        let begun_at = world.now();
        let calls = collect(&world, &channel).await["calls"].as_u64().unwrap();
        // The clock is frozen, so no call waits. But each one defers the next permitted call.
        let key =
            json!({ "pk": { "S": format!("ACCOUNT#{account}") }, "sk": { "S": "RATE-LIMIT" } });
        let next = async || -> domain::Timestamp {
            let row = world
                .dynamodb("GetItem", json!({ "TableName": "ChannelsTable", "Key": key }))
                .await;
            text(&row["Item"]["nextAt"], "S").parse().unwrap()
        };
        let spacing = Duration::from_millis(interval_ms * calls);
        assert!(next().await >= begun_at.plus(spacing), "{partner}: {calls} calls");
        // Four concurrent calls use four intervals.
        world.advance(Duration::from_mins(2));
        let (operator, path) = (world.operator(), format!("{CHANNELS}/{channel}/test"));
        let begun_at = world.now();
        let body = json!({});
        let test = || operator.post(&path, &body);
        let tested = tokio::join!(test(), test(), test(), test());
        for tested in [tested.0, tested.1, tested.2, tested.3] {
            assert_eq!(tested.json()["ok"], true, "{tested:?}");
        }
        assert!(next().await >= begun_at.plus(Duration::from_millis(interval_ms * 4)), "{partner}");
    }
}

#[tokio::test]
async fn a_rate_limited_collection_loses_no_order() {
    for partner in PARTNERS {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        quirks(&world, partner, &["rate-limit", "small-pages"]);
        for order in 1..=9 {
            place(&world, partner, order);
        }
        collect(&world, &channel).await;
        assert_eq!(run_until_ended(&world, &channel).await["status"], "DONE");
        let rate_limited = world
            .partner(partner)
            .requests()
            .iter()
            .filter(|request| request.status == 429)
            .count();
        assert!(rate_limited > 0, "no call waits for its interval while the clock is frozen");
        assert_eq!(orders(&world, &channel).await.len(), 9, "{partner}");
    }
}

#[tokio::test]
async fn a_failing_marketplace_is_retried_until_the_run_fails_and_the_next_run_loses_nothing() {
    let mode = |mode, status| Behaviour { mode, status, ..Behaviour::default() };
    let page = Behaviour { quirks: vec!["forbidden-page".into()], ..Behaviour::default() };
    let error = Behaviour { quirks: vec!["error-in-200".into()], ..Behaviour::default() };
    for (partner, failure, message) in [
        ("coupang", mode(Mode::Error, None), "unavailable: 500 ERROR Internal server error"),
        ("coupang", mode(Mode::Ok, Some(429)), "rate limit is exceeded"),
        ("coupang", error, "unavailable: 200 ERROR Something went wrong"),
        ("coupang", page, "accepts no calls for 600s"),
        ("smartstore", mode(Mode::Error, None), "unavailable: 500 GW.PROXY.01"),
        ("smartstore", mode(Mode::Error, Some(503)), "unavailable: 503"),
        ("smartstore", mode(Mode::Ok, Some(429)), "rate limit is exceeded"),
        ("smartstore", mode(Mode::Down, None), "unavailable"),
    ] {
        let world = World::new().await;
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        // After a short failure the run resumes and completes.
        world.partner(partner).behave(failure.clone());
        let run = collect(&world, &channel).await;
        assert_eq!(run["status"], "RUNNING", "{partner} {failure:?} {run}");
        assert!(text(&run, "error").contains(message), "{run}");
        world.partner(partner).be(Mode::Ok);
        assert_eq!(
            run_until_ended(&world, &channel).await["status"],
            "DONE",
            "{partner} {failure:?}"
        );
        assert_eq!(orders(&world, &channel).await.len(), 1);
        // A long failure ends the run. The watermark stays where it was.
        place(&world, partner, 8);
        let watermark =
            world.operator().get(&format!("{CHANNELS}/{channel}")).await.json()["collectedUntil"]
                .clone();
        world.partner(partner).behave(failure.clone());
        collect(&world, &channel).await;
        let mut failed = Value::Null;
        for _ in 0..80 {
            failed = runs(&world, &channel).await[0].clone();
            if failed["status"] == "FAILED" {
                break;
            }
            a_minute_passes(&world).await;
        }
        assert_eq!(failed["status"], "FAILED", "{partner} {failure:?} {failed}");
        let now =
            world.operator().get(&format!("{CHANNELS}/{channel}")).await.json()["collectedUntil"]
                .clone();
        assert_eq!(watermark, now);
        world.partner(partner).be(Mode::Ok);
        assert_eq!(collect(&world, &channel).await["status"], "DONE");
        assert_eq!(orders(&world, &channel).await.len(), 2);
    }
}

#[tokio::test]
async fn a_slow_channel_does_not_delay_another_one() {
    let world = World::new().await;
    let coupang = register(&world, "coupang", 0).await;
    let smartstore = register(&world, "smartstore", 0).await;
    for partner in PARTNERS {
        place(&world, partner, 7);
    }
    world.partner("coupang").be(Mode::Slow);
    world.fire("schedule-collections").await.unwrap();
    pass_time(&world, Duration::from_secs(1)).await;
    assert_eq!(runs(&world, &coupang).await[0]["status"], "RUNNING");
    let run = &runs(&world, &smartstore).await[0];
    assert_eq!((&run["status"], &run["changed"]), (&json!("DONE"), &json!(1)));
}

#[tokio::test]
async fn a_collection_longer_than_the_function_timeout_is_resumed_by_the_schedule() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    for order in 1..=9 {
        place(&world, "coupang", order);
    }
    // Each page takes 30 seconds. The function's timeout is five minutes.
    let slow = Behaviour {
        delay_ms: Some(30_000),
        quirks: vec!["small-pages".into()],
        ..Behaviour::default()
    };
    world.partner("coupang").behave(slow);
    let requested =
        world.operator().post(&format!("{CHANNELS}/{channel}/collect"), &json!({})).await.json();
    world.take_calls();
    world.settle().await;
    assert!(
        world
            .take_calls()
            .iter()
            .all(|call| call.function != "collect-channel" || call.service != "sqs")
    );
    let paused = &runs(&world, &channel).await[0];
    assert_eq!(
        (&paused["runId"], &paused["status"]),
        (&requested["runId"], &json!("RUNNING")),
        "{paused}"
    );
    world
        .partner("coupang")
        .behave(Behaviour { quirks: vec!["small-pages".into()], ..Behaviour::default() });
    let run = &run_until_ended(&world, &channel).await;
    assert_eq!(
        (&run["runId"], &run["status"], &run["changed"]),
        (&requested["runId"], &json!("DONE"), &json!(9)),
        "{run}"
    );
}

#[tokio::test]
async fn a_duplicate_or_lost_message_does_not_harm_a_run() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    place(&world, "coupang", 7);
    let collect = format!("{CHANNELS}/{channel}/collect");
    let first = world.operator().post(&collect, &json!({})).await.json();
    let message = world.messages("CollectChannelQueue").remove(0);
    world.send_message("CollectChannelQueue", &message);
    pass_time(&world, Duration::from_mins(2)).await;
    let seen = runs(&world, &channel).await;
    assert_eq!(
        (seen.len(), &seen[0]["runId"], &seen[0]["changed"]),
        (1, &first["runId"], &json!(1))
    );
    // A run that has begun and has no message left.
    world.partner("coupang").be(Mode::Error);
    world.operator().post(&collect, &json!({})).await;
    world.settle().await;
    assert_eq!(world.messages("CollectChannelQueue").len(), 0, "the schedule resumes the run");
    world.partner("coupang").be(Mode::Ok);
    run_until_ended(&world, &channel).await;
    assert!(runs(&world, &channel).await.iter().all(|run| run["status"] == "DONE"));
}

#[tokio::test]
async fn a_channel_is_collected_despite_any_fault_in_any_call() {
    let world = shop().await;
    let mut channels = Vec::new();
    for partner in PARTNERS {
        stage(
            &world,
            partner,
            json!({ "product": { "product": 900, "name": "Pen", "price": 1_000, "stock": 0 } }),
        );
        let channel = register(&world, partner, 0).await;
        collect(&world, &channel).await;
        let path = format!("{CHANNELS}/{channel}/products/900");
        assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
        channels.push(channel);
    }
    world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 100_000 })).await;
    pass_time(&world, Duration::from_mins(2)).await;
    // The stream's consumers are disabled, so that the faults hit the collection only.
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
                let before = units_in_stock(&world, "pen").await;
                world.operator().post(&format!("{CHANNELS}/{channel}/collect"), &json!({})).await;
                world.take_calls();
                world.inject([
                    Rule::nth(nth, kind),
                    Rule { count: Some(1), ..Rule::nth(nth + 1, kind) },
                ]);
                world.settle().await;
                let calls = world.take_calls().len();
                world.inject([]);
                while !world.messages("CollectChannelQueue").is_empty() {
                    a_minute_passes(&world).await;
                }
                run_until_ended(&world, channel).await;
                let all = runs(&world, channel).await;
                assert_eq!(all[0]["status"], "DONE", "{nth} {kind:?} {}", all[0]);
                let order = &orders(&world, channel).await[&number.to_string()];
                assert_eq!(
                    (&order["version"], &order["totalAmount"]),
                    (&json!(1), &json!(9_000)),
                    "{nth} {kind:?}"
                );
                assert_eq!(units_in_stock(&world, "pen").await, before - 2, "{nth} {kind:?}");
                if u64::try_from(calls).unwrap() < nth {
                    break;
                }
            }
        }
    }
    for function in others {
        world.enable(function, true);
    }
    // In the end both marketplaces have our stock.
    for channel in &channels {
        collect(&world, channel).await;
    }
    for partner in PARTNERS {
        let there = world.partner(partner).books()["shops"][0]["products"][0]["stock"].clone();
        assert_eq!(there, units_in_stock(&world, "pen").await, "{partner}");
    }
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn the_mock_channel_generates_orders_without_a_network() {
    let world = World::new().await;
    let body = json!({ "name": "Try it", "type": "MOCK", "intervalMinutes": 60 });
    let channel = text(&world.operator().post(CHANNELS, &body).await.json(), "channelId");
    let run = collect(&world, &channel).await;
    assert_eq!(
        (&run["status"], &run["orders"], &run["products"]),
        (&json!("DONE"), &json!(241), &json!(3)),
        "{run}"
    );
    pass_time(&world, Duration::from_hours(25)).await;
    let run = collect(&world, &channel).await;
    let seen = orders(&world, &channel).await;
    assert!(run["changed"].as_u64().unwrap() >= 8 && seen.len() == 249, "{run} {}", seen.len());
    for status in ["CANCELLED", "COMPLETED", "SHIPPED"] {
        assert!(seen.values().any(|order| order["status"] == status), "{status}");
    }
}

#[tokio::test]
async fn own_and_channel_products_are_listed_page_by_page() {
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
            let page = world
                .operator()
                .get(&format!("/api/v1/admin/products?limit={limit}{cursor}"))
                .await
                .json();
            seen.extend(page["products"].as_array().unwrap().iter().map(Value::to_string));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((all, seen.len()), (9, 9), "{limit} per page");
    }
}
