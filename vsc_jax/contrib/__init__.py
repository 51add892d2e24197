"""The library's distribution in other libraries' clothes; each module needs an extra of its name."""
