//! The Lambda function `delete-webhook`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::delete_webhook::function())
}
