//! The Lambda function `deliver-webhook`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::deliver_webhook::function())
}
