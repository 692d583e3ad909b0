//! The Lambda function `list-webhook-deliveries`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::list_webhook_deliveries::function())
}
