//! The platform on real sockets: the API, the AWS services with unmodified AWS clients, and the
//! control port.

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::region::Region;
use local::{Demo, Options, Platform, Ports, serve};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// A platform that listens on free ports until it is stopped.
struct Served {
    ports: Ports,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Served {
    async fn new(options: Options) -> Self {
        let sockets = Ports { api: 0, aws: 0, control: 0 }.take().unwrap();
        let ports = sockets.ports().unwrap();
        let endpoint = format!("http://127.0.0.1:{}", ports.aws);
        let platform = Platform::new(Options { endpoint, ..options }).await.unwrap();
        Demo::open(&platform).await.unwrap();
        let (sockets, (stop, stopped)) = (sockets.listen().unwrap(), oneshot::channel());
        let serving = tokio::spawn(async move {
            serve(platform, sockets, async { drop(stopped.await) }).await.unwrap();
        });
        Self { ports, stop, serving }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
    }

    async fn api(&self, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
        http(self.ports.api, method, path, headers, body).await
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        http(self.ports.control, method, path, "", body).await
    }

    async fn idle(&self) {
        assert_eq!(
            self.control("GET", "/idle?timeoutSeconds=20", &Value::Null).await,
            (200, json!({ "idle": true }))
        );
    }
}

/// Sends one request over a new connection. Returns the status and the body, null if it is not
/// JSON.
async fn http(port: u16, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

fn latte(quantity: i64) -> Value {
    json!({ "customerId": Demo::CUSTOMER, "items": [{ "productId": "latte", "quantity": quantity }] })
}

#[tokio::test]
async fn an_order_is_placed_delivered_ranked_and_audited_over_real_sockets() {
    let served = Served::new(Options::default()).await;
    let (status, placed) =
        served.api("POST", "/order", "idempotency-key: first\r\n", &latte(2)).await;
    assert_eq!((status, &placed["totalAmount"]), (200, &json!(10_000)), "{placed}");
    served.idle().await;
    let (_, received) =
        served.control("GET", "/partners/data-platform/requests", &Value::Null).await;
    let [request] = &received["requests"].as_array().unwrap()[..] else { panic!("{received}") };
    let event: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    assert_eq!((&request["status"], &event["data"]), (&json!(200), &placed));
    let ran = served.control("POST", "/schedules/aggregate-top-sellers/run", &Value::Null).await;
    assert_eq!(ran.0, 200);
    let (_, top) = served.api("GET", "/products/top-sellers", "", &Value::Null).await;
    assert_eq!(top["products"][0]["productId"], json!("latte"));
    assert_eq!(served.control("POST", "/schedules/audit-books/run", &Value::Null).await.0, 200);
    let (_, audit) = served.api("GET", "/api/v1/admin/audit", "", &Value::Null).await;
    assert_eq!(audit["clean"], json!(true));
    let (status, _) = served.api("GET", "/docs", "", &Value::Null).await;
    assert_eq!(status, 200);
    let (_, document) = served.api("GET", "/openapi.json", "", &Value::Null).await;
    assert_eq!(document["openapi"], json!("3.1.0"));
    served.stop().await;
}

/// The settings of any program that sends its AWS calls to the local platform.
fn aws_client_settings(served: &Served) -> aws_types::SdkConfig {
    aws_types::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "any", "any", None, None, "test",
        )))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://127.0.0.1:{}", served.ports.aws))
        .build()
}

#[tokio::test]
async fn the_aws_services_work_with_unmodified_aws_clients() {
    let served = Served::new(Options::default()).await;
    let aws = aws_client_settings(&served);
    let database = aws_sdk_dynamodb::Client::new(&aws);
    let tables = database.list_tables().send().await.unwrap().table_names.unwrap();
    assert_eq!(
        tables,
        [
            "ChannelsTable",
            "CustomersTable",
            "OrdersTable",
            "ProductsTable",
            "ViewsTable",
            "WebhooksTable"
        ]
    );
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let get = database
        .get_item()
        .table_name("CustomersTable")
        .key("pk", key("CUSTOMER#minji"))
        .key("sk", key("POINTS"));
    let points = get.send().await.unwrap().item.unwrap();
    assert_eq!(points["balance"], AttributeValue::N("100000".into()));
    // The audit finds a balance that was changed outside the platform.
    let set = database
        .update_item()
        .table_name("CustomersTable")
        .key("pk", key("CUSTOMER#minji"))
        .key("sk", key("POINTS"));
    let set = set
        .update_expression("SET balance = :one")
        .expression_attribute_values(":one", AttributeValue::N("1".into()));
    set.send().await.unwrap();
    served.control("POST", "/schedules/audit-books/run", &Value::Null).await;
    let (_, audit) = served.api("GET", "/api/v1/admin/audit", "", &Value::Null).await;
    assert_eq!(audit["violations"][0]["key"], json!("customer/minji"));

    let queues = aws_sdk_sqs::Client::new(&aws);
    let url = queues
        .get_queue_url()
        .queue_name("RecordSalesDeadLetters")
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    queues.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    let received = queues
        .receive_message()
        .queue_url(&url)
        .wait_time_seconds(1)
        .send()
        .await
        .unwrap()
        .messages
        .unwrap();
    assert_eq!(received[0].body(), Some("hello"));
    queues
        .delete_message()
        .queue_url(&url)
        .receipt_handle(received[0].receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
    let missing = queues.get_queue_url().queue_name("Nowhere").send().await.unwrap_err();
    assert!(missing.into_service_error().is_queue_does_not_exist());
    served.stop().await;
}

#[tokio::test]
async fn the_control_port_controls_the_clock_the_functions_the_queues_and_the_faults() {
    let served = Served::new(Options::default()).await;
    let before: domain::Timestamp = served.control("GET", "/clock", &Value::Null).await.1["now"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (_, after) = served.control("POST", "/clock/advance", &json!({ "seconds": 3_600 })).await;
    let after: domain::Timestamp = after["now"].as_str().unwrap().parse().unwrap();
    assert!(before.until(after).as_secs() >= 3_600);
    assert_eq!(served.control("POST", "/clock/advance", &json!({ "seconds": -1 })).await.0, 400);

    assert_eq!(
        served.control("PUT", "/functions/relay-orders", &json!({ "enabled": false })).await.0,
        200
    );
    assert_eq!(served.api("POST", "/order", "", &latte(1)).await.0, 200);
    let (status, idle) = served.control("GET", "/idle?timeoutSeconds=0", &Value::Null).await;
    assert_eq!((status, &idle["idle"]), (503, &json!(false)));
    assert_eq!(
        served.control("PUT", "/functions/relay-orders", &json!({ "enabled": true })).await.0,
        200
    );
    served.idle().await;
    assert_eq!(
        served.control("PUT", "/functions/place-order", &json!({ "enabled": false })).await.0,
        200
    );
    assert_eq!(served.api("POST", "/order", "", &latte(1)).await.0, 503);
    served.control("PUT", "/functions/place-order", &json!({ "enabled": true })).await;
    assert_eq!(
        served.control("PUT", "/functions/nothing", &json!({ "enabled": true })).await.0,
        404
    );

    served.control("PUT", "/partners/data-platform/behaviour", &json!({ "mode": "decline" })).await;
    served.api("POST", "/order", "", &latte(1)).await;
    served.idle().await;
    let queue = async |name: &str| {
        let (_, queues) = served.control("GET", "/queues", &Value::Null).await;
        queues["queues"]
            .as_array()
            .unwrap()
            .iter()
            .find(|queue| queue["name"] == *name)
            .unwrap()
            .clone()
    };
    assert_eq!(queue("DataPlatformQueue").await["deadLetters"], json!(1));
    served.control("PUT", "/partners/data-platform/behaviour", &json!({ "mode": "ok" })).await;
    assert_eq!(
        served.control("POST", "/queues/DataPlatformQueue/redrive", &Value::Null).await,
        (200, json!({ "moved": 1 }))
    );
    served.idle().await;
    assert_eq!(queue("DataPlatformQueue").await["deadLetters"], json!(0));

    let rules = json!({ "rules": [{ "service": "dynamodb", "operation": "TransactWriteItems", "kind": "throttle" }] });
    assert_eq!(served.control("PUT", "/faults", &rules).await.0, 200);
    let (status, busy) = served.api("POST", "/order", "", &latte(1)).await;
    assert_eq!((status, &busy["type"]), (503, &json!("/problems/busy")));
    assert_eq!(served.control("DELETE", "/faults", &Value::Null).await.0, 204);
    assert_eq!(served.api("POST", "/order", "", &latte(1)).await.0, 200);
    assert_eq!(
        served
            .control("PUT", "/faults", &json!({ "rules": [{ "service": "s3", "kind": "before" }] }))
            .await
            .0,
        400
    );
    served.stop().await;
}

#[tokio::test]
async fn with_auth_the_api_requires_tokens_and_the_control_port_issues_them() {
    let served = Served::new(Options { requires_tokens: true, ..Options::default() }).await;
    let path = "/points/minji";
    assert_eq!(
        served.api("GET", path, "", &Value::Null).await,
        (401, json!({ "message": "Unauthorized" }))
    );
    let token = async |sub: &str, role: &str| {
        let (_, issued) =
            served.control("POST", "/tokens", &json!({ "sub": sub, "role": role })).await;
        format!("authorization: Bearer {}\r\n", issued["token"].as_str().unwrap())
    };
    assert_eq!(
        served.api("GET", path, &token("minji", "customer").await, &Value::Null).await.0,
        200
    );
    assert_eq!(
        served.api("GET", path, &token("other", "customer").await, &Value::Null).await.0,
        403
    );
    assert_eq!(served.api("GET", "/products", "", &Value::Null).await.0, 200);
    // A misspelt claim would be a token without it.
    let misspelt = json!({ "sub": "mall", "role": "partner", "scopes": "orders.read" });
    let (status, problem) = served.control("POST", "/tokens", &misspelt).await;
    assert!(!(200..300).contains(&status) && problem.to_string().contains("scopes"), "{problem}");
    served.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_reported_clearly() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Ports { api: port, aws: 0, control: 0 }.take().unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("--port"), "{error}");
}

#[tokio::test]
async fn an_unknown_template_parameter_is_reported_clearly() {
    let parameters = [("DataPlatformUri".to_owned(), "x".to_owned())];
    let error = Platform::new(Options { parameters: parameters.into(), ..Options::default() })
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("DataPlatformUri") && error.contains("DataPlatformUrl"), "{error}");
}

#[tokio::test]
async fn requests_with_a_foreign_origin_or_host_are_refused() {
    let served = Served::new(Options::default()).await;
    let Ports { api, aws, control } = served.ports;
    for (port, path) in [(api, "/points/minji"), (aws, "/"), (control, "/clock")] {
        for header in [
            "origin: https://evil.example\r\n",
            "origin: null\r\n",
            "origin: http://localhost:1\r\n",
        ] {
            assert_eq!(
                http(port, "GET", path, header, &Value::Null).await.0,
                403,
                "{path} {header}"
            );
        }
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
    }
    served.stop().await;
}
