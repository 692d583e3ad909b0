//! Campaign statistics equal a brute-force count of the campaign's orders, even if events arrive
//! late, repeatedly or out of order.

use crate::support::{
    assert_books_are_clean,
    audit::{violation, violations},
    coupon,
    external_orders::{partner, update_body},
    kitchen::{kitchen, step},
    order, pass_time, shop, sqs_event, text,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

async fn statistics(world: &World, campaign: &str, query: &str) -> Value {
    let reply = partner(world).get(&format!("/campaigns/{campaign}/statistics{query}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// Places an order of `c1` through a campaign and returns its id.
async fn place_through(
    world: &World,
    campaign: &str,
    items: &[(&str, i64)],
    coupon_id: Option<String>,
) -> String {
    let mut body = order("c1", items);
    body["campaignId"] = json!(campaign);
    if let Some(coupon) = coupon_id {
        body["couponId"] = json!(coupon);
    }
    let placed = world.customer("c1").post("/order", &body).await;
    assert_eq!(placed.status, 200, "{placed:?}");
    text(&placed.json(), "orderId")
}

#[tokio::test]
async fn campaign_statistics_are_restated_when_an_order_is_cancelled() {
    let world = shop().await;
    let coupon = coupon(&world, "c1", 5).await;
    let first = place_through(&world, "spring", &[("pen", 2)], Some(coupon)).await;
    let second = place_through(&world, "spring", &[("ink", 1)], None).await;
    place_through(&world, "autumn", &[("pad", 1)], None).await;
    world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    world.settle().await;
    let sums = json!({
        "orders": 2, "cancelled": 0, "grossRevenue": 4_500, "netRevenue": 4_300, "discount": 200, "customers": 1,
        "newCustomers": 1, "averageOrderValue": 2_150,
    });
    let with = |mut sums: Value, name: &str, value: Value| {
        sums[name] = value;
        sums
    };
    let expected = |sums: &Value| {
        let by_day = with(sums.clone(), "day", json!("2026-01-05"));
        with(with(sums.clone(), "campaignId", json!("spring")), "byDay", json!([by_day]))
    };
    assert_eq!(statistics(&world, "spring", "").await, expected(&sums));
    let listed = partner(&world).get("/campaigns/spring/orders").await.json();
    let ids: Vec<String> =
        listed["orders"].as_array().unwrap().iter().map(|order| text(order, "orderId")).collect();
    assert_eq!(ids, [second.clone(), first.clone()]);
    assert_eq!(listed["orders"][1], crate::support::get_order(&world, &first).await);
    assert_eq!(
        statistics(&world, "autumn", "").await["newCustomers"],
        json!(0),
        "it was not the customer's first order"
    );

    world.customer("c1").post(&format!("/orders/{first}/cancel"), &json!({})).await;
    world.settle().await;
    let restated = json!({
        "orders": 2, "cancelled": 1, "grossRevenue": 4_500, "netRevenue": 2_500, "discount": 0, "customers": 1,
        "newCustomers": 1, "averageOrderValue": 2_500,
    });
    assert_eq!(statistics(&world, "spring", "").await, expected(&restated));
    let listed = partner(&world).get("/campaigns/spring/orders?limit=1").await.json();
    let next = partner(&world)
        .get(&format!("/campaigns/spring/orders?cursor={}", text(&listed, "nextCursor")))
        .await;
    assert_eq!(next.json()["orders"][0]["status"], json!("CANCELLED"));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_rebuild_counts_orders_that_the_projection_missed() {
    let world = shop().await;
    world.enable("project-campaigns", false);
    place_through(&world, "spring", &[("pen", 1)], None).await;
    let aborted = place_through(&world, "spring", &[("ink", 1)], None).await;
    world.customer("c1").post(&format!("/orders/{aborted}/cancel"), &json!({})).await;
    partner(&world).put("/integrations/orders/mall/e-1", &update_body(1, "PAID")).await;
    world.settle().await;
    assert_eq!(statistics(&world, "spring", "").await["orders"], json!(0));
    world.fire("rebuild-views").await.unwrap();
    let rebuilt = statistics(&world, "spring", "").await;
    assert_eq!(
        (
            &rebuilt["orders"],
            &rebuilt["cancelled"],
            &rebuilt["customers"],
            &rebuilt["newCustomers"]
        ),
        (&json!(3), &json!(1), &json!(2), &json!(2))
    );
    world.enable("project-campaigns", true);
    for _ in 0..3 {
        pass_time(&world, Duration::from_mins(5)).await;
    }
    assert_eq!(statistics(&world, "spring", "").await, rebuilt);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_is_counted_once_it_is_paid() {
    let world = shop().await;
    world.partner("payment-gateway").be(local::partners::Mode::Decline);
    let mut body = crate::support::by_card(order("c1", &[("pen", 1)]), "card-1");
    body["campaignId"] = json!("spring");
    let id = text(&world.customer("c1").post("/order", &body).await.json(), "orderId");
    world.settle().await;
    assert_eq!(statistics(&world, "spring", "").await["orders"], json!(0));
    world.customer("c1").post(&format!("/orders/{id}/pay"), &json!({ "method": "POINTS" })).await;
    world.settle().await;
    assert_eq!(statistics(&world, "spring", "").await["orders"], json!(1));
}

#[tokio::test]
async fn an_unknown_campaign_has_zero_statistics_and_invalid_days_are_refused() {
    let world = kitchen().await;
    let nothing = statistics(&world, "unknown", "").await;
    assert_eq!(
        (&nothing["orders"], &nothing["averageOrderValue"], &nothing["byDay"]),
        (&json!(0), &json!(0), &json!([]))
    );
    assert_eq!(
        partner(&world).get("/campaigns/unknown/orders").await.json(),
        json!({ "orders": [] })
    );
    for (query, field) in [
        ("?from=today", "from"),
        ("?to=2026-13-01", "to"),
        ("?from=2026-01-06&to=2026-01-05", "to"),
    ] {
        let refused = partner(&world).get(&format!("/campaigns/spring/statistics{query}")).await;
        assert_eq!(refused.json()["errors"][0]["field"], json!(field));
    }
    assert_eq!(
        world.customer("c1").get("/campaigns/spring/statistics").await.problem(),
        "forbidden"
    );
    assert_eq!(step(&world, "ord_x", "accept").await.status, 404);
}

#[tokio::test]
async fn the_audit_finds_wrong_campaign_sums_and_missing_campaign_orders() {
    let world = shop().await;
    let id = place_through(&world, "spring", &[("pen", 2)], None).await;
    partner(&world)
        .put(
            "/integrations/orders/mall/e-1",
            &crate::support::external_orders::update_body(1, "PAID"),
        )
        .await;
    world.settle().await;
    world.advance(Duration::from_hours(2));
    assert_books_are_clean(&world).await;
    assert_eq!(
        statistics(&world, "spring", "").await["orders"],
        json!(2),
        "the external order is counted, too"
    );
    let placed_at = text(&crate::support::get_order(&world, &id).await, "placedAt");
    let key = json!({ "pk": { "S": "CAMPAIGN#spring" }, "sk": { "S": format!("ORDER#{placed_at}#{id}") } });
    world.dynamodb("DeleteItem", json!({ "TableName": "ViewsTable", "Key": key })).await;
    let expected = [
        violation(
            "campaign-order-is-the-order",
            &format!("order/{id}"),
            "version 1, Paid",
            "missing",
        ),
        violation(
            "campaign-days-sum-their-orders",
            "campaign/spring/2026-01-05",
            "1 orders, 0 cancelled, 90000 gross, 10000 discount, 80000 net",
            "2 orders, 0 cancelled, 92000 gross, 10000 discount, 82000 net",
        ),
    ];
    assert_eq!(violations(&world).await, expected);
}

/// A generated order of the property test. Its versions 1 to 3 are `PAID`, `ACCEPTED`, and either
/// `CANCELLED` or `COOKING`.
#[derive(Debug, Clone)]
struct SampleOrder {
    customer: u8,
    hour: u32,
    campaign: Option<u8>,
    amount: i64,
    discount: i64,
    is_cancelled: bool,
}

fn sample() -> impl Strategy<Value = SampleOrder> {
    let hour = 0u32..24 * 6;
    let campaign = prop_oneof![1 => Just(None), 3 => (0u8..2).prop_map(Some)];
    (0u8..4, hour, campaign, 1i64..50, 0i64..2, any::<bool>()).prop_map(
        |(customer, hour, campaign, amount, discount, is_cancelled)| {
            let (amount, discount) = (amount * 1_000, discount * 500);
            SampleOrder { customer, hour, campaign, amount, discount, is_cancelled }
        },
    )
}

impl SampleOrder {
    fn placed_at(&self) -> String {
        format!("2026-01-{:02}T{:02}:30:00.000Z", 1 + self.hour / 24, self.hour % 24)
    }

    /// The business day (KST) on which the order is placed.
    fn day(&self) -> String {
        format!("2026-01-{:02}", 1 + (self.hour + 9) / 24)
    }

    fn event(&self, number: usize, version: u32) -> String {
        let status = ["PAID", "ACCEPTED", if self.is_cancelled { "CANCELLED" } else { "COOKING" }]
            [version as usize - 1];
        let mut data = json!({
            "orderId": format!("ord_{number}"), "version": version, "status": status, "customerId": format!("c{}", self.customer),
            "items": [], "originalAmount": self.amount, "discountAmount": self.discount,
            "totalAmount": self.amount - self.discount,
            "payment": { "method": "POINTS", "amount": self.amount - self.discount, "status": "PAID", "paidAt": self.placed_at() },
            "timeline": [], "placedAt": self.placed_at(), "updatedAt": self.placed_at(),
        });
        if let Some(campaign) = self.campaign {
            data["campaignId"] = json!(format!("k{campaign}"));
        }
        json!({
            "specversion": "1.0", "id": format!("ord_{number}#{version}"), "source": "/orders", "type": "order.paid.v1",
            "time": self.placed_at(), "subject": format!("ord_{number}"), "datacontenttype": "application/json",
            "timestamp": self.placed_at(), "data": data,
        })
        .to_string()
    }
}

/// The expected statistics of a campaign from one day to another, both inclusive, counted order by
/// order. `delivered` has the latest version of each order whose event was delivered.
fn expected_statistics(
    delivered: &BTreeMap<usize, (&SampleOrder, u32)>,
    campaign: u8,
    from: &str,
    to: &str,
) -> Value {
    let within = |sample: &SampleOrder| {
        sample.campaign == Some(campaign) && *from <= *sample.day() && *sample.day() <= *to
    };
    let orders: Vec<(usize, &SampleOrder, bool)> = delivered
        .iter()
        .filter(|(_, (sample, _))| within(sample))
        .map(|(number, (sample, version))| (*number, *sample, *version == 3 && sample.is_cancelled))
        .collect();
    let active =
        || orders.iter().filter(|(_, _, is_cancelled)| !is_cancelled).map(|(_, sample, _)| sample);
    let net: i64 = active().map(|sample| sample.amount - sample.discount).sum();
    let firsts: BTreeMap<u8, (String, String)> =
        delivered.iter().fold(BTreeMap::new(), |mut firsts, (number, (sample, _))| {
            let this = (sample.placed_at(), format!("ord_{number}"));
            let first = firsts.entry(sample.customer).or_insert_with(|| this.clone());
            *first = first.clone().min(this);
            firsts
        });
    let is_new =
        |number: usize, sample: &SampleOrder| firsts[&sample.customer].1 == format!("ord_{number}");
    json!({
        "orders": orders.len(), "cancelled": orders.iter().filter(|(_, _, is_cancelled)| *is_cancelled).count(),
        "grossRevenue": orders.iter().map(|(_, sample, _)| sample.amount).sum::<i64>(), "netRevenue": net,
        "discount": active().map(|sample| sample.discount).sum::<i64>(),
        "customers": orders.iter().map(|(_, sample, _)| sample.customer).collect::<BTreeSet<_>>().len(),
        "newCustomers": orders.iter().filter(|(number, sample, _)| is_new(*number, sample)).count(),
        "averageOrderValue": if active().count() > 0 { net / i64::try_from(active().count()).unwrap() } else { 0 },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn statistics_equal_the_brute_force_count_over_any_days(
        samples in vec(sample(), 1..12),
        deliveries in vec((any::<prop::sample::Index>(), 1u32..4, any::<bool>()), 1..40),
        (from, to) in (1u32..8, 1u32..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut delivered: BTreeMap<usize, (&SampleOrder, u32)> = BTreeMap::new();
            for (index, version, fails) in deliveries {
                let number = index.index(samples.len());
                if fails {
                    world.inject([Rule { service: None, operation: None, kind: Kind::After, every: 2, count: Some(1) }]);
                }
                let event = samples[number].event(number, version);
                let response = world.invoke("project-campaigns", sqs_event(&world, &[event])).await.unwrap();
                world.inject([]);
                assert_eq!(response["batchItemFailures"], json!([]));
                let known = delivered.entry(number).or_insert((&samples[number], version));
                known.1 = known.1.max(version);
            }
            let (from, to) = (format!("2026-01-{:02}", from.min(to)), format!("2026-01-{:02}", from.max(to)));
            for campaign in 0..2 {
                for (query, from, to) in [
                    (String::new(), "2026-01-01", "2026-01-31"),
                    (format!("?from={from}"), &*from, "2026-01-31"),
                    (format!("?to={to}"), "2026-01-01", &*to),
                    (format!("?from={from}&to={to}"), &*from, &*to),
                ] {
                    let mut found = statistics(&world, &format!("k{campaign}"), &query).await;
                    let by_day = found["byDay"].take();
                    let found = found.as_object_mut().unwrap();
                    found.remove("byDay");
                    found.remove("campaignId");
                    assert_eq!(json!(found), expected_statistics(&delivered, campaign, from, to), "{query}");
                    for day in by_day.as_array().unwrap() {
                        let mut sums = day.as_object().unwrap().clone();
                        let day = text(&sums.remove("day").map(|day| json!({ "day": day })).unwrap(), "day");
                        assert_eq!(json!(sums), expected_statistics(&delivered, campaign, &day, &day), "{day}");
                    }
                }
            }
        });
    }
}

#[tokio::test]
async fn statistics_of_a_large_campaign_read_day_sums_and_not_orders() {
    let world = World::new().await;
    let mut calls = Vec::new();
    for batch in 0..3u32 {
        for number in 0..40 {
            let sample = SampleOrder {
                customer: 1,
                hour: number % 48,
                campaign: Some(0),
                amount: 1_000,
                discount: 0,
                is_cancelled: false,
            };
            let event = sample.event((batch * 40 + number) as usize, 1);
            world.invoke("project-campaigns", sqs_event(&world, &[event])).await.unwrap();
        }
        world.take_calls();
        assert_eq!(statistics(&world, "k0", "").await["orders"], json!((batch + 1) * 40));
        let call = world.take_calls();
        calls.push(
            call.iter().map(|call| (call.operation.clone(), call.read_units)).collect::<Vec<_>>(),
        );
    }
    assert_eq!(calls[2], calls[1], "the cost does not grow with the number of orders: {calls:?}");
    assert!(calls[2].len() == 1 && calls[2][0].0 == "Query");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_projected_concurrently_are_all_counted() {
    let world = Arc::new(World::with(World::options()).await);
    world.platform.aws.make_contended();
    let projecting = (0..8usize).map(|worker| {
        let world = world.clone();
        tokio::spawn(async move {
            for number in 0..6u32 {
                let sample = SampleOrder {
                    customer: u8::try_from(number % 3).unwrap(),
                    hour: number * 13 % 72,
                    campaign: Some(0),
                    amount: 1_000,
                    discount: 0,
                    is_cancelled: false,
                };
                let event = sample.event(worker * 100 + number as usize, 1);
                while world.invoke("project-campaigns", sqs_event(&world, &[&event])).await.unwrap()
                    ["batchItemFailures"]
                    != json!([])
                {}
            }
        })
    });
    futures::future::try_join_all(projecting).await.unwrap();
    let sums = statistics(&world, "k0", "").await;
    assert_eq!(
        (&sums["orders"], &sums["customers"], &sums["newCustomers"]),
        (&json!(48), &json!(3), &json!(3))
    );
    world.advance(Duration::from_secs(1));
}
