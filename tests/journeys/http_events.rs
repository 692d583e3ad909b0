//! HTTP events of every source that can invoke a function, and of none.

use crate::support::shop;
use serde_json::{Value, json};

/// API Gateway's event of a HTTP API or a function URL (payload format 2.0).
fn http_api_event() -> Value {
    json!({
        "version": "2.0", "routeKey": "GET /products/{productId}", "rawPath": "/products/pen",
        "rawQueryString": "", "headers": { "host": "api.example.com" },
        "pathParameters": { "productId": "pen" }, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "api.example.com", "stage": "$default",
            "requestId": "r1",
            "http": {
                "method": "GET", "path": "/products/pen", "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7", "userAgent": "curl/8",
            },
        },
    })
}

#[tokio::test]
async fn a_function_answers_each_source_of_http_events_in_its_own_shape() {
    let world = shop().await;
    let rest_api = json!({
        "resource": "/products/{productId}", "path": "/products/pen", "httpMethod": "GET",
        "headers": { "Host": "api.example.com" },
        "multiValueHeaders": { "Host": ["api.example.com"] },
        "queryStringParameters": null, "multiValueQueryStringParameters": null,
        "pathParameters": { "productId": "pen" }, "stageVariables": null, "body": null,
        "isBase64Encoded": false,
        "requestContext": {
            "accountId": "1", "apiId": "a", "resourceId": "x", "stage": "prod", "requestId": "r2",
            "resourcePath": "/products/{productId}", "httpMethod": "GET", "identity": {},
        },
    });
    let load_balancer = json!({
        "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:x" } },
        "httpMethod": "GET", "path": "/products/best", "queryStringParameters": {},
        "headers": { "host": "shop.example.com" }, "body": "", "isBase64Encoded": false,
    });
    let answer = world.invoke("get-product", http_api_event()).await.unwrap();
    assert_eq!(
        (&answer["statusCode"], &answer["headers"]["x-request-id"]),
        (&json!(200), &json!("r1"))
    );
    let answer = world.invoke("get-product", rest_api).await.unwrap();
    assert_eq!(
        (&answer["statusCode"], &answer["multiValueHeaders"]["x-request-id"]),
        (&json!(200), &json!(["r2"]))
    );
    // A load balancer gives no parameters of the path.
    let answer = world.invoke("get-product", load_balancer).await.unwrap();
    assert_eq!(
        (&answer["statusCode"], &answer["statusDescription"]),
        (&json!(400), &json!("400 Bad Request"))
    );
}

#[tokio::test]
async fn a_null_in_place_of_a_map_and_an_odd_host_change_nothing() {
    let world = shop().await;
    let mut nulls = http_api_event();
    nulls["queryStringParameters"] = Value::Null;
    nulls["stageVariables"] = Value::Null;
    nulls["requestContext"]["authorizer"] = Value::Null;
    let mut hosts: Vec<Value> = ["", " ", "a b", "[", "x:99999", "api.example.com/?#"]
        .iter()
        .map(|host| {
            let mut event = http_api_event();
            event["headers"] = json!({ "host": host, "x-forwarded-proto": host });
            event["requestContext"]["domainName"] = json!(host);
            event
        })
        .collect();
    hosts.push(nulls);
    for event in hosts {
        let answer = world.invoke("get-product", event.clone()).await.unwrap();
        assert_eq!(answer["statusCode"], json!(200), "{event}");
    }
}

#[tokio::test]
async fn an_event_that_is_not_http_is_a_malformed_request() {
    let world = shop().await;
    let with = |pointer: &str, value: Value| {
        let mut event = http_api_event();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let mut binary = with("/isBase64Encoded", json!(true));
    binary["body"] = json!("no base64!");
    for event in [
        json!({}),
        json!([]),
        json!("x"),
        binary,
        with("/rawPath", json!("no slash:99999")),
        with("/rawQueryString", json!("a b\u{1}")),
        with("/rawQueryString", json!("x".repeat(70_000))),
        with("/headers", json!({ "x": "a\nb" })),
        with("/requestContext/http/method", json!("G T")),
    ] {
        let answer = world.invoke("get-product", event.clone()).await.unwrap();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&answer["statusCode"], &body["errors"][0]["field"]),
            (&json!(400), &json!("request")),
            "{event}"
        );
    }
}
