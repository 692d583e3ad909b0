//! The Lambda function `replay-webhook-delivery`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::replay_webhook_delivery::function())
}
