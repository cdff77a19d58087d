/**
 * What the methods take that tensors, devices and scopes have of themselves: signatures as in checked.ts. Those files stand
 * below the check of arguments, which knows tensors and devices. The shorthands must be there before.
 */
import "./ops/shorthands.ts";
import { checkMethods } from "./checked.ts";
import { Device } from "./device.ts";
import { Scope } from "./scope.ts";
import { Tensor } from "./tensor.ts";

checkMethods(Tensor, ["data()", "item()", "toArray()"], "promise");
checkMethods(Tensor, ["dispose()", "numel()", "dim()"]);
checkMethods(Tensor, ["float()", "double()", "half()", "int()", "long()", "bool()"]);
checkMethods(Device, ["synchronize()", "explain()"], "promise");
checkMethods(Device, ["flush()", "stats()", "destroy()"]);
checkMethods(Scope, ["end()"]);
