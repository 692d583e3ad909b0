//! The Lambda function `put-webhook`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::put_webhook::function())
}
