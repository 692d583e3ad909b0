//! The Lambda function `list-channel-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::list_channel_orders::function())
}
