//! The Lambda function `list-webhooks`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::list_webhooks::function())
}
