//! The Lambda function `no-such-route`.

fn main() -> Result<(), edge::Error> {
    edge::run(&admin::no_such_route::function())
}
