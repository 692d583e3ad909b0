//! Tests of the `jumun` program as a process: acknowledged data survives a killed process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A running `jumun` process and the addresses of its ports.
struct Jumun {
    process: Child,
    api: String,
    control: String,
}

impl Jumun {
    /// Starts the program on free ports and reads their addresses from its banner.
    fn start(data: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_jumun"))
            .args(["--port", "0", "--aws-port", "0", "--control-port", "0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut address = |name: &str| {
            let line = lines
                .find_map(|line| line.ok().filter(|line| line.trim_start().starts_with(name)))
                .unwrap();
            let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
            url.trim_start_matches("http://").to_owned()
        };
        let (api, control) = (address("API"), address("control"));
        // The channels are deleted, because marketplaces permit only a few calls per second.
        // Waiting for them would take seconds.
        let (_, listed) = http(&api, "GET", "/api/v1/admin/channels", &Value::Null);
        for channel in listed["channels"].as_array().unwrap() {
            let path = format!("/api/v1/admin/channels/{}", channel["channelId"].as_str().unwrap());
            assert_eq!(http(&api, "DELETE", &path, &Value::Null).0, 204);
        }
        Self { process, api, control }
    }

    /// Kills the process as `kill -9` does, so that it cannot clean up.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Jumun {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends one request over its own connection. Returns the status and the JSON body.
fn http(address: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json"
    );
    write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

#[test]
fn acknowledged_orders_survive_a_kill_and_all_their_events_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop.db");
    let order =
        json!({ "customerId": "minji", "items": [{ "productId": "espresso", "quantity": 1 }] });

    // One order is in the queue of the data platform, which is down. The other is in the stream of
    // the relay, which is switched off.
    let jumun = Jumun::start(&data);
    http(&jumun.control, "PUT", "/partners/data-platform/behaviour", &json!({ "mode": "down" }));
    let (status, queued) = http(&jumun.api, "POST", "/order", &order);
    assert_eq!(status, 200, "{queued}");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while http(&jumun.control, "GET", "/partners/data-platform/requests", &Value::Null).1["requests"]
        == json!([])
    {
        assert!(std::time::Instant::now() < deadline, "the order did not reach the queue in time");
        std::thread::yield_now();
    }
    http(&jumun.control, "PUT", "/functions/relay-orders", &json!({ "enabled": false }));
    let (_, streamed) = http(&jumun.api, "POST", "/order", &order);
    http(&jumun.control, "POST", "/clock/advance", &json!({ "seconds": 86_400 }));
    let before = http(&jumun.control, "GET", "/clock", &Value::Null).1;
    jumun.kill();

    let jumun = Jumun::start(&data);
    assert_eq!(
        http(&jumun.control, "GET", "/idle?timeoutSeconds=30", &Value::Null),
        (200, json!({ "idle": true }))
    );
    let (_, received) =
        http(&jumun.control, "GET", "/partners/data-platform/requests", &Value::Null);
    let delivered = received["requests"].to_string();
    for placed in [&queued, &streamed] {
        let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
        assert_eq!(http(&jumun.api, "GET", &path, &Value::Null), (200, placed.clone()));
        assert!(delivered.contains(placed["orderId"].as_str().unwrap()), "{delivered}");
    }
    let (_, points) = http(&jumun.api, "GET", "/points/minji", &Value::Null);
    assert_eq!(points["balance"], json!(100_000 - 7_000), "the demo shop is created only once");
    let after = http(&jumun.control, "GET", "/clock", &Value::Null).1;
    assert!(
        after["now"].as_str() > before["now"].as_str(),
        "the clock must not go back: {before} {after}"
    );
    http(&jumun.control, "POST", "/schedules/audit-books/run", &Value::Null);
    assert_eq!(
        http(&jumun.api, "GET", "/api/v1/admin/audit", &Value::Null).1["clean"],
        json!(true)
    );
}

#[test]
fn a_charge_with_a_lost_response_is_settled_after_a_kill_and_refunded_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop.db");
    let jumun = Jumun::start(&data);
    http(&jumun.control, "PUT", "/partners/payment-gateway/behaviour", &json!({ "mode": "lost" }));
    let order = json!({
        "customerId": "minji", "items": [{ "productId": "espresso", "quantity": 1 }],
        "payment": { "method": "CARD", "paymentKey": "card-1" },
    });
    let (status, held) = http(&jumun.api, "POST", "/order", &order);
    assert_eq!((status, &held["status"]), (202, &json!("STOCK_ALLOCATED")));
    let path = format!("/orders/{}", held["orderId"].as_str().unwrap());
    jumun.kill();

    let await_payment_status = |jumun: &Jumun, expected: &str| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while http(&jumun.api, "GET", &path, &Value::Null).1["payment"]["status"] != json!(expected)
        {
            assert!(
                std::time::Instant::now() < deadline,
                "the payment did not become {expected} in time"
            );
            http(&jumun.control, "POST", "/clock/advance", &json!({ "seconds": 31 }));
            http(&jumun.control, "GET", "/idle?timeoutSeconds=5", &Value::Null);
        }
    };
    let jumun = Jumun::start(&data);
    await_payment_status(&jumun, "PAID");
    assert_eq!(http(&jumun.api, "POST", &format!("{path}/cancel"), &json!({})).0, 200);
    jumun.kill();

    let jumun = Jumun::start(&data);
    await_payment_status(&jumun, "REFUNDED");
    let (_, gateway) = http(&jumun.control, "GET", "/partners/payment-gateway", &Value::Null);
    let payments = gateway["books"]["payments"].as_array().unwrap();
    assert_eq!((payments.len(), &payments[0]["status"]), (1, &json!("CANCELED")), "{gateway}");
    http(&jumun.control, "POST", "/schedules/audit-books/run", &Value::Null);
    assert_eq!(
        http(&jumun.api, "GET", "/api/v1/admin/audit", &Value::Null).1["clean"],
        json!(true)
    );
}

#[test]
fn a_port_in_use_is_reported_with_its_option_and_nothing_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output =
        Command::new(env!("CARGO_BIN_EXE_jumun")).args(["--port", &port]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(error.contains(&port) && error.contains("--port"), "{error}");
    assert_eq!(output.stdout, b"", "the banner must not appear before the ports are bound");
}
