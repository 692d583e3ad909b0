//! Benchmarks of order placement: `cargo bench --bench orders`.
//!
//! All figures come from one run. The measurements that are compared alternate. Each order has
//! three products with stated prices: one transaction of six items.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a benchmark measures time, and stops at the first error"
)]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

use dynoxide::{Database, actions::transact_write_items::TransactWriteItemsRequest};
use local::{Options, Ports, World, serve};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Orders per comparison with bare transactions.
const ORDERS: usize = 4_000;
/// Orders placed to measure the effect of stored orders.
const STORED_ORDERS: usize = 20_000;
/// Orders placed over HTTP.
const HTTP_ORDERS: usize = 20_000;
const CONNECTIONS: usize = 8;
const PRODUCTS: [&str; 3] = ["pen", "ink", "pad"];

fn main() {
    // In-process measurements run on one thread, like tests. HTTP runs on all, like the program.
    let one_thread = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the runtime starts");
    one_thread.block_on(against_bare_transactions());
    one_thread.block_on(as_stored_orders_increase());
    one_thread.block_on(other_order_kinds());
    tokio::runtime::Runtime::new().expect("the runtime starts").block_on(over_http());
}

/// Creates a world with stock of three products and a customer with points. It records no AWS calls
/// and requires no tokens.
async fn shop() -> World {
    let world =
        World::with(Options { records: false, requires_tokens: false, ..World::options() }).await;
    for product in PRODUCTS {
        world.stock(product, 1_000, 1_000_000).await;
    }
    for _ in 0..20 {
        world.charge("c1", 10_000_000).await;
    }
    world
}

/// The body of an order of three products.
fn body() -> Value {
    let item =
        |product: &str| json!({ "productId": product, "quantity": 1, "expectedPrice": 1_000 });
    json!({ "customerId": "c1", "items": PRODUCTS.map(item) })
}

/// Compares orders through the in-process API with the same transactions on the embedded database,
/// which receives them as DynamoDB JSON. Measures with the `ClientRequestToken` that `place-order`
/// sends, and without one. Alternates in blocks of 500, where each block has the processor's caches
/// to itself, and one by one.
async fn against_bare_transactions() {
    for (block, has_token) in [(500, true), (1, true), (500, false), (1, false)] {
        let (shop_with_api, shop_without) = (shop().await, shop().await);
        let client = shop_with_api.anyone();
        let (mut through_api, mut bare) = (Vec::new(), Vec::new());
        for first in (0..ORDERS).step_by(block) {
            let started = Instant::now();
            for _ in 0..block {
                assert_eq!(client.post("/order", &body()).await.status, 200);
            }
            through_api.push(started.elapsed().as_secs_f64());
            let requests = (first..first + block).map(|number| {
                let mut request = transaction(number);
                if has_token {
                    request["ClientRequestToken"] = format!("{number:032}").into();
                }
                request.to_string()
            });
            let requests: Vec<String> = requests.collect();
            bare.push(commit(shop_without.platform.aws.database(), requests).as_secs_f64());
        }
        let (through_api, bare) = (median(through_api) / block as f64, median(bare) / block as f64);
        let token = if has_token { "with the token" } else { "without a token" };
        println!(
            "blocks of {block:>3}, {token:<15}: orders through World {:>5.0} /s, bare transactions {:>5.0} /s, ratio {:.2}",
            1.0 / through_api,
            1.0 / bare,
            bare / through_api
        );
    }
}

/// Commits transactions one after another. The returned time includes parsing the requests.
fn commit(database: &Database, requests: Vec<String>) -> Duration {
    let started = Instant::now();
    for request in requests {
        let request: TransactWriteItemsRequest =
            serde_json::from_str(&request).expect("a valid transaction");
        database.transact_write_items(request).expect("the transaction commits");
    }
    started.elapsed()
}

/// The transaction of an order, as `place-order` writes it.
fn transaction(number: usize) -> Value {
    let key = |pk: &str, sk: &str| json!({ "pk": { "S": pk }, "sk": { "S": sk } });
    let reserve = |product: &str| {
        json!({ "Update": {
            "TableName": "ProductsTable", "Key": key(&format!("PRODUCT#{product}"), "STOCK#0"),
            "UpdateExpression": "SET quantity = quantity - :units",
            "ConditionExpression": "quantity >= :units AND price = :price AND active = :true AND attribute_not_exists(storeId)",
            "ExpressionAttributeValues": { ":units": { "N": "1" }, ":price": { "N": "1000" }, ":true": { "BOOL": true } },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        } })
    };
    let debit = json!({ "Update": {
        "TableName": "CustomersTable", "Key": key("CUSTOMER#c1", "POINTS"),
        "UpdateExpression": "SET balance = if_not_exists(balance, :none) - :points", "ConditionExpression": "balance >= :points",
        "ExpressionAttributeValues": { ":points": { "N": "3000" }, ":none": { "N": "0" } },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    } });
    let (order_id, entry_id) = (format!("ord_{number:026}"), format!("ent_{number:026}"));
    let put = |table: &str, item: Value| {
        json!({ "Put": {
            "TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        } })
    };
    let at = json!({ "S": "2026-01-05T03:04:05.678Z" });
    let mut entry = key("CUSTOMER#c1", &format!("LEDGER#{entry_id}"));
    for (name, value) in [
        ("entryId", json!({ "S": entry_id })),
        ("kind", json!({ "S": "USE" })),
        ("amount", json!({ "N": "-3000" })),
        ("reference", json!({ "S": order_id })),
        ("at", at.clone()),
    ] {
        entry[name] = value;
    }
    let line = |product: &str| {
        json!({ "M": {
            "productId": { "S": product }, "quantity": { "N": "1" }, "unitPrice": { "N": "1000" }, "totalPrice": { "N": "1000" },
        } })
    };
    let payment = json!({
        "method": { "S": "POINTS" }, "amount": { "N": "3000" }, "status": { "S": "PAID" }, "paidAt": at,
        "ledgerEntry": { "S": entry_id },
    });
    let step = json!({ "M": { "status": { "S": "PAID" }, "at": at, "by": { "S": "operator" } } });
    let mut order = key(&format!("ORDER#{order_id}"), "ORDER");
    for (name, value) in [
        ("orderId", json!({ "S": order_id })),
        ("version", json!({ "N": "1" })),
        ("status", json!({ "S": "PAID" })),
        ("customerId", json!({ "S": "c1" })),
        ("lines", json!({ "L": PRODUCTS.map(line) })),
        ("originalAmount", json!({ "N": "3000" })),
        ("discountAmount", json!({ "N": "0" })),
        ("totalAmount", json!({ "N": "3000" })),
        ("payment", json!({ "M": payment })),
        ("lastChange", json!({ "S": "PAID" })),
        ("timeline", json!({ "L": [step] })),
        ("placedAt", at.clone()),
        ("updatedAt", at.clone()),
        ("fingerprint", json!({ "S": "0".repeat(32) })),
    ] {
        order[name] = value;
    }
    let mut items: Vec<Value> = PRODUCTS.map(reserve).into();
    items.extend([debit, put("CustomersTable", entry), put("OrdersTable", order)]);
    json!({ "TransactItems": items })
}

/// Compares the first and the last orders. Stored orders must not slow down the write path.
async fn as_stored_orders_increase() {
    let world = shop().await;
    let client = world.anyone();
    let mut times = Vec::with_capacity(STORED_ORDERS);
    for _ in 0..STORED_ORDERS {
        let started = Instant::now();
        assert_eq!(client.post("/order", &body()).await.status, 200);
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let (first, last) =
        (median(times[..1_000].to_vec()), median(times[STORED_ORDERS - 1_000..].to_vec()));
    println!("median of the first 1,000 {first:>8.0} µs");
    println!("of the last 1,000 of {STORED_ORDERS} {last:>7.0} µs");
    println!("ratio                     {:>8.2}", last / first);
}

/// Compares other requests with a plain order, in alternation: an order with a coupon, from a cart
/// and by card (the gateway is a stub on loopback), and a cancellation.
async fn other_order_kinds() {
    const ATTEMPTS: usize = 500;
    let world = shop().await;
    let (client, card) = (world.anyone(), json!({ "method": "CARD", "paymentKey": "" }));
    let mut times: [Vec<f64>; 5] = std::array::from_fn(|_| Vec::with_capacity(ATTEMPTS));
    for round in 0..ATTEMPTS {
        let source = json!({
            "name": "One", "discountAmount": 100, "quantity": 1, "issueFrom": "2020-01-01T00:00:00Z",
            "issueUntil": "2099-01-01T00:00:00Z", "validDays": 1,
        });
        client.put(&format!("/api/v1/admin/coupon-sources/s{round}"), &source).await;
        let issued = client
            .post(&format!("/coupons/s{round}/issue"), &json!({ "customerId": "c1" }))
            .await
            .json();
        for product in PRODUCTS {
            client.put(&format!("/carts/c1/items/{product}"), &json!({ "quantity": 1 })).await;
        }
        let (mut with_coupon, mut by_card) = (body(), body());
        with_coupon["couponId"] = issued["couponId"].clone();
        by_card["payment"] = card.clone();
        by_card["payment"]["paymentKey"] = format!("card-{round}").into();
        let mut order_id = Value::Null;
        for (index, (path, body)) in [
            ("/order", body()),
            ("/order", with_coupon),
            ("/carts/c1/order", json!({})),
            ("/order", by_card),
        ]
        .into_iter()
        .enumerate()
        {
            let started = Instant::now();
            let reply = client.post(path, &body).await;
            times[index].push(started.elapsed().as_secs_f64() * 1e6);
            assert_eq!(reply.status, 200, "{reply:?}");
            order_id = reply.json()["orderId"].clone();
        }
        let path = format!("/orders/{}/cancel", order_id.as_str().expect("the order has an id"));
        let started = Instant::now();
        assert_eq!(client.post(&path, &json!({})).await.status, 200);
        times[4].push(started.elapsed().as_secs_f64() * 1e6);
    }
    let [plain, with_coupon, of_cart, by_card, cancelled] = times.map(median);
    println!("median of a plain order   {plain:>8.0} µs; compared with it:");
    for (name, time) in [
        ("with a coupon", with_coupon),
        ("from a cart", of_cart),
        ("by card", by_card),
        ("cancelled", cancelled),
    ] {
        println!("  {name:<23} {time:>8.0} µs, ratio {:.2}", time / plain);
    }
}

/// Measures orders over sockets on persistent connections. The measured time ends when all streams
/// and queues are drained: every event was relayed, projected and counted, customers were notified,
/// and partners (stubs on loopback) received their events.
async fn over_http() {
    let world = shop().await;
    let sockets = Ports { api: 0, aws: 0, control: 0 }.take().expect("free ports exist");
    let ports = sockets.ports().expect("the ports are bound");
    let serving = tokio::task::spawn(serve(
        world.platform.clone(),
        sockets.listen().expect("the sockets listen"),
        std::future::pending(),
    ));
    let started = Instant::now();
    let connections = (0..CONNECTIONS)
        .map(|_| tokio::task::spawn(place_over(ports.api, HTTP_ORDERS / CONNECTIONS)));
    futures::future::try_join_all(connections).await.expect("every connection completes");
    let placed = started.elapsed().as_secs_f64();
    let mut control =
        TcpStream::connect(("127.0.0.1", ports.control)).await.expect("the connection opens");
    send(&mut control, "GET /idle?timeoutSeconds=3600 HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let drained = started.elapsed().as_secs_f64();
    println!(
        "orders over HTTP          {:>8.0} /s sustained ({HTTP_ORDERS} on {CONNECTIONS} connections: placed after {placed:.1} s, \
         all events processed after {drained:.1} s)",
        HTTP_ORDERS as f64 / drained
    );
    serving.abort();
}

/// Places orders over one connection.
async fn place_over(port: u16, orders: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the connection opens");
    let body = body().to_string();
    let request = format!(
        "POST /order HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..orders {
        send(&mut stream, &request).await;
    }
}

/// Sends a request and reads its response. Panics if the status is not 200.
async fn send(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut response = vec![0; 64 * 1024];
    let mut length = 0;
    while !is_complete(&response[..length]) {
        length += stream.read(&mut response[length..]).await.expect("the response is read");
    }
    assert!(
        response.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&response[..length])
    );
}

/// Whether a response has been read completely.
fn is_complete(response: &[u8]) -> bool {
    let text = String::from_utf8_lossy(response);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse().ok());
    length == Some(body.len())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
