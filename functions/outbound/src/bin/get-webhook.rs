//! The Lambda function `get-webhook`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::get_webhook::function())
}
