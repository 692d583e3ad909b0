//! The Lambda function `notify-customer`.

fn main() -> Result<(), edge::Error> {
    edge::run(&notifications::notify_customer::function())
}
