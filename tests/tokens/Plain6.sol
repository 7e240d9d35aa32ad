// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "./Base.sol";

/// Six decimals, as USDC and USDT have.
contract Plain6 is Base("TUSD", 6) {}
