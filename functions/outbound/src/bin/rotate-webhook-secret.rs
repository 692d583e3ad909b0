//! The Lambda function `rotate-webhook-secret`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::rotate_webhook_secret::function())
}
