-- Wireshark dissector for captures of vfio-user-ism (`--capture FILE`).
--
-- It takes apart the header of the capture, vfio-user messages, requests of the zPCI I/O region,
-- ISM commands and SMC-D's CDC messages. Use: wireshark -X lua_script:vfio-user.lua FILE, or put it
-- into the folder of personal plugins. Formats: docs/view.md, QEMU's docs/interop/vfio-user.rst,
-- Linux drivers/s390/net/ism.h and net/smc/smc_cdc.h.
--
-- SPDX-License-Identifier: Apache-2.0 OR MIT

local proto = Proto("vfio_user", "vfio-user")

local COMMANDS = {
    [1] = "VERSION", [2] = "DMA_MAP", [3] = "DMA_UNMAP", [4] = "DEVICE_GET_INFO",
    [5] = "DEVICE_GET_REGION_INFO", [6] = "DEVICE_GET_REGION_IO_FDS", [7] = "DEVICE_GET_IRQ_INFO",
    [8] = "DEVICE_SET_IRQS", [9] = "REGION_READ", [10] = "REGION_WRITE", [11] = "DMA_READ",
    [12] = "DMA_WRITE", [13] = "DEVICE_RESET", [14] = "DIRTY_PAGES", [15] = "REGION_WRITE_MULTI",
    [16] = "DEVICE_FEATURE", [17] = "MIG_DATA_READ", [18] = "MIG_DATA_WRITE",
}
local KINDS = { [0] = "client to server", "server to client", "client connected", "client left" }
local ROLES = { [0] = "device", "instruction channel" }
local ORDERS = { [0] = "little endian", "big endian" }
local DESCRIPTORS = { [0] = "other", "memory", "file", "eventfd", "socket", "pipe" }
local TYPES = { [0] = "command", "reply" }
local REGIONS = {
    [0] = "BAR 0 (data)", "BAR 1", "BAR 2 (commands)", "BAR 3", "BAR 4", "BAR 5", "ROM",
    "config space", "VGA", "zPCI I/O region",
}
local IRQS = { [0] = "INTx", "MSI", "MSI-X", "error", "request" }
local ISM = {
    [0x01] = "REG_SBA", [0x02] = "REG_IEQ", [0x03] = "READ_GID", [0x04] = "ADD_VLAN_ID",
    [0x05] = "DEL_VLAN_ID", [0x06] = "SET_VLAN", [0x07] = "RESET_VLAN", [0x08] = "QUERY_INFO",
    [0x09] = "QUERY_RGID", [0x0a] = "REG_DMB", [0x0b] = "UNREG_DMB", [0x0e] = "SIGNAL_IEQ",
    [0x11] = "UNREG_SBA", [0x12] = "UNREG_IEQ",
}
local INSTRUCTIONS = { [1] = "PCILG", [2] = "PCISTB", [4] = "PCISTG" }
-- Linux include/uapi/linux/vfio.h, VFIO_DEVICE_FEATURE_.
local FEATURES = {
    [0] = "PCI_VF_TOKEN", "MIGRATION", "MIG_DEVICE_STATE", "LOW_POWER_ENTRY", "LOW_POWER_ENTRY_WITH_WAKEUP",
    "LOW_POWER_EXIT", "DMA_LOGGING_START", "DMA_LOGGING_STOP", "DMA_LOGGING_REPORT", "MIG_DATA_SIZE", "BUS_MASTER",
}
local COMMAND_BAR, CONFIG, ZPCI = 2, 7, 9

local fields = {}
local function field(kind, name, title, ...)
    fields[name] = ProtoField[kind]("vfio_user." .. name, title, ...)
    return fields[name]
end
-- The header of the capture.
field("uint8", "capture.version", "Version of the capture header")
field("uint8", "capture.kind", "Kind", base.DEC, KINDS)
field("uint8", "capture.role", "Role of the client", base.DEC, ROLES)
field("uint8", "capture.order", "Byte order", base.DEC, ORDERS)
field("uint32", "capture.connection", "Connection")
field("uint16", "capture.descriptors", "Descriptors")
field("bool", "capture.lost", "Descriptors were lost")
field("uint32", "capture.length", "Length before it was cut")
field("uint8", "capture.descriptor.kind", "Descriptor", base.DEC, DESCRIPTORS)
field("uint64", "capture.descriptor.file", "File", base.HEX)
field("uint64", "capture.descriptor.size", "Size")
-- The header of a message.
field("uint16", "id", "Message id", base.HEX)
field("uint16", "command", "Command", base.DEC, COMMANDS)
field("uint32", "size", "Message size")
field("uint32", "flags", "Flags", base.HEX)
field("uint32", "flags.type", "Type", base.DEC, TYPES, 0xf)
field("bool", "flags.no_reply", "No reply wanted", 32, nil, 0x10)
field("bool", "flags.error", "Error", 32, nil, 0x20)
field("uint32", "errno", "Errno")
-- Bodies.
field("uint16", "version.major", "Major version")
field("uint16", "version.minor", "Minor version")
field("string", "version.capabilities", "Capabilities")
field("uint32", "argsz", "Argument size")
field("uint32", "request_flags", "Flags", base.HEX)
field("uint64", "offset", "Offset", base.HEX)
field("uint64", "iova", "IOVA", base.HEX)
field("uint64", "length", "Size", base.HEX)
field("uint32", "regions", "Regions")
field("uint32", "irqs", "Interrupt indexes")
field("uint32", "cap_offset", "Offset of the first capability")
field("bytes", "padding", "Padding")
field("uint32", "region", "Region", base.DEC, REGIONS)
field("uint32", "count", "Count")
field("uint64", "count64", "Count")
field("uint32", "irq.index", "Interrupt index", base.DEC, IRQS)
field("uint32", "irq.start", "First vector")
field("bytes", "irq.bools", "Booleans")
field("uint64", "writes", "Writes")
field("uint32", "feature.index", "Feature", base.DEC, FEATURES, 0xffff)
field("bool", "feature.get", "Get", 32, nil, 0x10000)
field("bool", "feature.set", "Set", 32, nil, 0x20000)
field("bool", "feature.probe", "Probe", 32, nil, 0x40000)
field("bytes", "data", "Data")
field("uint16", "cap.id", "Capability")
field("uint16", "cap.version", "Version of the capability")
field("uint32", "cap.next", "Next capability")
field("uint32", "cap.type", "Type of the region", base.HEX)
field("uint32", "cap.subtype", "Subtype of the region")
field("uint64", "clp.start_dma", "First DMA address", base.HEX)
field("uint64", "clp.end_dma", "Last DMA address", base.HEX)
field("uint16", "clp.pchid", "PCHID", base.HEX)
field("uint16", "clp.vfn", "Virtual function number")
field("uint16", "clp.fmb_length", "Length of the measurement block")
field("uint8", "clp.pft", "Function type")
field("uint8", "clp.gid", "Group")
field("uint32", "clp.fh", "Function handle", base.HEX)
field("uint64", "clp.dasm", "DMA address space mask", base.HEX)
field("uint64", "clp.msi_addr", "MSI address", base.HEX)
field("uint64", "clp.flags", "Flags of the group", base.HEX)
field("uint16", "clp.mui", "Measurement update interval")
field("uint16", "clp.noi", "Number of interrupts")
field("uint16", "clp.maxstbl", "Maximum store block length")
field("uint8", "clp.version", "PCI version")
field("uint8", "clp.reserved", "Reserved")
field("uint16", "clp.imaxstbl", "Maximum length of MIO stores")
field("uint32", "clp.text_len", "Length")
field("bytes", "clp.text", "Bytes")
-- The zPCI I/O region.
field("uint64", "zpci.flags", "Instruction", base.HEX, INSTRUCTIONS)
field("uint64", "zpci.max", "Maximum length")
field("uint64", "zpci.gaddr", "Guest address", base.HEX)
field("uint64", "zpci.offset", "Offset", base.HEX)
field("uint32", "zpci.reserved", "Reserved", base.HEX)
field("uint16", "zpci.len", "Length")
field("uint8", "zpci.pcias", "PCI address space")
field("bytes", "zpci.result", "Register image")
-- ISM: big endian.
field("uint64", "ism.token", "Token", base.HEX)
field("uint64", "ism.element", "Element")
field("bool", "ism.signal", "Signal")
field("uint64", "ism.dmb_offset", "Offset in the DMB", base.HEX)
field("uint32", "ism.cmd", "ISM command", base.HEX, ISM)
field("uint16", "ism.reserved", "Reserved or response code", base.HEX)
field("uint16", "ism.len", "Length")
field("bytes", "ism.payload", "Payload of a command")
field("string", "ism.request", "Fields of the request")
field("string", "ism.answer", "Field of the response")
field("uint64", "ism.doubleword", "Doubleword of a response", base.HEX)
-- CDC: big endian.
field("uint8", "cdc.type", "CDC type", base.HEX)
field("bytes", "cdc.reserved", "Reserved")
for _, side in ipairs({ "producer", "consumer" }) do
    field("uint16", "cdc." .. side .. ".wrap", side .. " wrap")
    field("uint32", "cdc." .. side .. ".count", side .. " count")
end
field("uint16", "cdc.producer.reserved", "Reserved", base.HEX)
field("uint8", "cdc.flags", "Producer flags", base.HEX)
field("bool", "cdc.flags.blocked", "Write blocked", 8, nil, 0x80)
field("bool", "cdc.flags.urgent_pending", "Urgent data pending", 8, nil, 0x40)
field("bool", "cdc.flags.urgent_present", "Urgent data present", 8, nil, 0x20)
field("bool", "cdc.flags.update_requested", "Cursor update requested", 8, nil, 0x10)
field("bool", "cdc.flags.failover", "Failover validation", 8, nil, 0x08)
field("uint8", "cdc.state", "Connection flags", base.HEX)
field("bool", "cdc.state.done_writing", "Done writing", 8, nil, 0x80)
field("bool", "cdc.state.closed", "Closed", 8, nil, 0x40)
field("bool", "cdc.state.abort", "Abort", 8, nil, 0x20)
-- What should not be there.
field("bytes", "rest", "Bytes that belong to nothing")
-- Response and request are linked.
field("framenum", "request_in", "Request in", base.NONE, frametype.REQUEST)

local list = {}
for _, one in pairs(fields) do list[#list + 1] = one end
proto.fields = list

local interface_name = Field.new("frame.interface_name")
local function interface()
    local info = interface_name()
    return info and info.value or ""
end

local experts = {
    malformed = ProtoExpert.new("vfio_user.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
    cut = ProtoExpert.new("vfio_user.cut", "The capture kept a part only", expert.group.UNDECODED, expert.severity.NOTE),
    refused = ProtoExpert.new("vfio_user.refused", "Refused", expert.group.RESPONSE_CODE, expert.severity.WARN),
    remark = ProtoExpert.new("vfio_user.remark", "Remark of the server", expert.group.COMMENTS_GROUP, expert.severity.NOTE),
}
proto.experts = { experts.malformed, experts.cut, experts.refused, experts.remark }

-- Fields behind the header, at their offsets; they are big endian.
local REQUESTS = {
    [0x01] = { { "sba", 8, 8 } }, [0x02] = { { "ieq", 8, 8 }, { "len", 16, 8 } },
    [0x04] = { { "vlan_id", 8, 8 } }, [0x05] = { { "vlan_id", 8, 8 } },
    [0x09] = { { "rgid", 8, 8 }, { "vlan_valid", 16, 4 }, { "vlan_id", 20, 4 } },
    [0x0a] = {
        { "dmb", 8, 8 }, { "dmb_len", 16, 4 }, { "sba_idx", 20, 4 }, { "vlan_valid", 24, 4 },
        { "vlan_id", 28, 4 }, { "rgid", 32, 8 },
    },
    [0x0b] = { { "dmb_tok", 8, 8 } },
    [0x0e] = { { "rgid", 8, 8 }, { "trigger_irq", 16, 4 }, { "event_code", 20, 4 }, { "info", 24, 8 } },
}
local ANSWERS = {
    [0x03] = { [8] = "gid" }, [0x0a] = { [8] = "dmb_tok" },
    [0x08] = {
        [8] = "version, max_len", [16] = "ism_state", [24] = "my_gid", [32] = "sba", [40] = "ieq",
        [48] = "ieq_len", [56] = "dmbs_owned, dmbs_used", [64] = "vlan_required, vlan_nr_ids",
    },
}
local function hexadecimal(bytes, at, len)
    return "0x" .. bytes:subset(at, len):tohex():lower():gsub("^0+(.)", "%1")
end

-- What the messages of each connection are about while they are read the first time, and what was
-- found for each of them: a payload belongs to the header after it, a result to the load before.
local payloads, commands, loads = {}, {}, {}
local found = {}
local current
local function remember(what, make)
    local frame = found[current.number] or {}
    found[current.number] = frame
    if not current.visited then frame[what] = make() end
    return frame[what]
end

-- Requests by connection, direction and id, as they were seen; by frame once they were.
local open, answered = {}, {}
function proto.init()
    open, answered = {}, {}
    payloads, commands, loads, found = {}, {}, {}, {}
end

-- A place in a buffer that knows how much is left. Reading too far marks the message.
local Cursor = {}
Cursor.__index = Cursor
local function cursor(tvb, tree, big, cut)
    return setmetatable({ tvb = tvb, tree = tree, big = big, cut = cut, at = 0, ended = false }, Cursor)
end
function Cursor:left()
    return self.tvb:len() - self.at
end
function Cursor:short(what)
    if not self.ended then
        self.ended = true
        if self.cut then
            self.tree:add_proto_expert_info(experts.cut, "cut before " .. what)
        else
            self.tree:add_proto_expert_info(experts.malformed, "it ends before " .. what)
        end
    end
    return nil
end
-- Adds a field of `len` bytes in the message's byte order; returns its range.
function Cursor:take(name, len, tree)
    if self.ended or self:left() < len then return self:short(name) end
    local range = self.tvb(self.at, len)
    if self.big then (tree or self.tree):add(fields[name], range) else (tree or self.tree):add_le(fields[name], range) end
    self.at = self.at + len
    return range
end
function Cursor:number(name, len, tree)
    local range = self:take(name, len, tree)
    if not range then return nil end
    if len == 8 then return self.big and range:uint64() or range:le_uint64() end
    return self.big and range:uint() or range:le_uint()
end
function Cursor:be(name, len, tree)
    if self.ended or self:left() < len then return self:short(name) end
    local range = self.tvb(self.at, len);
    (tree or self.tree):add(fields[name], range)
    self.at = self.at + len
    return range
end
function Cursor:bytes(name, len, tree)
    if len == 0 then return end
    if self.ended or self:left() < len then
        if self:left() > 0 then self:bytes(name, self:left(), tree) end
        return self:short(name)
    end
    local range = self.tvb(self.at, len);
    (tree or self.tree):add(fields[name], range)
    self.at = self.at + len
    return range
end
-- Everything must be used up.
function Cursor:finish()
    if self:left() > 0 and not self.ended then
        self.tree:add(fields["rest"], self.tvb(self.at))
        self.tree:add_proto_expert_info(experts.malformed, self:left() .. " bytes belong to nothing")
        self.at = self.tvb:len()
    end
end

local function cdc(at, tree)
    local start = at.at
    local sub = tree:add(proto, at.tvb(start, 32), "CDC message")
    at:be("cdc.type", 1, sub)
    at:be("cdc.reserved", 7, sub)
    at:be("cdc.producer.wrap", 2, sub)
    at:be("cdc.producer.count", 4, sub)
    at:be("cdc.producer.reserved", 2, sub)
    at:be("cdc.consumer.wrap", 2, sub)
    at:be("cdc.consumer.count", 4, sub)
    for _, names in ipairs({
        { "cdc.flags", "cdc.flags.blocked", "cdc.flags.urgent_pending", "cdc.flags.urgent_present", "cdc.flags.update_requested", "cdc.flags.failover" },
        { "cdc.state", "cdc.state.done_writing", "cdc.state.closed", "cdc.state.abort" },
    }) do
        local range = at:be(names[1], 1, sub)
        for i = 2, #names do
            if range then sub:add(fields[names[i]], range) end
        end
    end
    at:be("cdc.reserved", 8, sub)
    local tvb = at.tvb
    return string.format("CDC prod %d/%d cons %d/%d", tvb(start + 8, 2):uint(), tvb(start + 10, 4):uint(),
        tvb(start + 16, 2):uint(), tvb(start + 18, 4):uint())
end

-- The data of a store or a load at `offset` (a UInt64) of address space `pcias`.
local function device_data(at, pcias, offset, len, is_load, tree)
    if len == 0 then return nil end
    local low, high = offset:lower(), offset:higher()
    if pcias == 0 then
        local sub = tree:add(proto, at.tvb(at.at, 0), "Address in the data space")
        sub:add(fields["ism.token"], UInt64(0, high)):set_generated()
        sub:add(fields["ism.element"], UInt64(bit.rshift(low, 24), 0)):set_generated()
        local signal = bit.band(low, 0x800000) ~= 0
        sub:add(fields["ism.signal"], signal):set_generated()
        sub:add(fields["ism.dmb_offset"], UInt64(bit.band(low, 0x7fffff), 0)):set_generated()
        if signal and len == 32 and at:left() >= 32 and at.tvb(at.at, 1):uint() == 0xfe then
            return cdc(at, tree)
        end
        at:bytes("data", len, tree)
        return string.format("move %d B to token %#x + %#x%s", len, high, bit.band(low, 0x7fffff), signal and ", signal" or "")
    elseif pcias == COMMAND_BAR and high == 0 and low == 0 and len == 8 and at:left() >= 8 then
        local number = at.tvb(at.at, 4):uint()
        local name = ISM[number] or "unknown command"
        local code = at.tvb(at.at + 4, 2):uint()
        at:be("ism.cmd", 4, tree)
        at:be("ism.reserved", 2, tree)
        at:be("ism.len", 2, tree)
        if is_load then return string.format("response to %s: 0x%x", name, code) end
        local told = remember("request", function()
            local payload, parts = payloads[current.function_], {}
            commands[current.function_], payloads[current.function_] = number, nil
            for _, one in ipairs(payload and REQUESTS[number] or {}) do
                if one[2] - 8 + one[3] <= payload:len() then
                    parts[#parts + 1] = one[1] .. " " .. hexadecimal(payload, one[2] - 8, one[3])
                end
            end
            return table.concat(parts, ", ")
        end)
        if told and told ~= "" then
            tree:add(fields["ism.request"], told):set_generated()
            return "command " .. name .. ": " .. told
        end
        return "command " .. name
    elseif pcias == COMMAND_BAR and is_load and len == 8 and at:left() >= 8 then
        local value = hexadecimal(at.tvb(at.at, 8):bytes(), 0, 8)
        at:be("ism.doubleword", 8, tree)
        local answer = remember("answer", function()
            return (ANSWERS[commands[current.function_]] or {})[low]
        end)
        if answer then
            tree:add(fields["ism.answer"], answer .. " " .. value):set_generated()
            return answer .. " " .. value
        end
    elseif pcias == COMMAND_BAR and not is_load and high == 0 and low == 8 then
        remember("payload", function()
            if at:left() >= len then payloads[current.function_] = at.tvb(at.at, len):bytes() end
        end)
        at:bytes("ism.payload", len, tree)
        return string.format("payload of a command, %d B", len)
    else
        at:bytes("data", len, tree)
    end
    return nil
end

local function zpci_request(at, len, tree)
    local sub = tree:add(proto, at.tvb(at.at, math.min(len, at:left())), "zPCI I/O request")
    local flags = at:number("zpci.flags", 8, sub)
    at:number("zpci.gaddr", 8, sub)
    local offset = at:number("zpci.offset", 8, sub)
    at:number("zpci.reserved", 4, sub)
    local length = at:number("zpci.len", 2, sub)
    local pcias = at:number("zpci.pcias", 1, sub)
    at:take("clp.reserved", 1, sub)
    if not pcias then return nil end
    if flags == UInt64(1) then
        remember("load", function() loads[current.connection] = { pcias = pcias, offset = offset } end)
    end
    local name = INSTRUCTIONS[flags:tonumber()] or "several instructions"
    local told = string.format("%s %d B, pcias %d, offset %s", name, length, pcias, "0x" .. offset:tohex())
    if len > 32 then
        local payload = device_data(at, pcias, offset, len - 32, false, sub)
        if payload then told = name .. ": " .. payload end
    end
    return told
end

local body = {}
body[1] = function(at)
    at:number("version.major", 2)
    at:number("version.minor", 2)
    if at:left() > 0 then at:bytes("version.capabilities", at:left()) end
end
body[2] = function(at, reply)
    if reply then return end
    at:number("argsz", 4)
    at:number("request_flags", 4)
    at:number("offset", 8)
    local iova, size = at:number("iova", 8), at:number("length", 8)
    return iova and size and string.format("iova 0x%s, 0x%s bytes", iova:tohex(), size:tohex())
end
body[3] = function(at)
    at:number("argsz", 4)
    at:number("request_flags", 4)
    local iova, size = at:number("iova", 8), at:number("length", 8)
    return iova and size and string.format("iova 0x%s, 0x%s bytes", iova:tohex(), size:tohex())
end

local function clp_capability(at, id, version, stop)
    local function text()
        local len = at:number("clp.text_len", 4)
        if len then at:bytes("clp.text", math.min(len, stop - at.at)) end
    end
    if id == 1 then
        at:number("clp.start_dma", 8) at:number("clp.end_dma", 8)
        at:number("clp.pchid", 2) at:number("clp.vfn", 2) at:number("clp.fmb_length", 2)
        at:number("clp.pft", 1) at:number("clp.gid", 1)
        if version >= 2 then at:number("clp.fh", 4) end
    elseif id == 2 then
        at:number("clp.dasm", 8) at:number("clp.msi_addr", 8) at:number("clp.flags", 8)
        at:number("clp.mui", 2) at:number("clp.noi", 2) at:number("clp.maxstbl", 2)
        at:number("clp.version", 1) at:number("clp.reserved", 1)
        if version >= 2 then at:number("clp.imaxstbl", 2) end
    elseif id == 3 or id == 4 then
        text()
    end
end
local function region_capability(at, id)
    if id == 2 then at:number("cap.type", 4) at:number("cap.subtype", 4) end
end

-- A chain of capabilities; the one at hand begins here.
local function chain(at, decode)
    while at:left() >= 8 and not at.ended do
        local big = at.big
        local tail = at.tvb(at.at)
        local next = big and tail(4, 4):uint() or tail(4, 4):le_uint()
        local id = at:number("cap.id", 2)
        local version = at:number("cap.version", 2)
        at:number("cap.next", 4)
        local stop = at.tvb:len()
        if next > 0 then
            -- Offsets of a chain count from the start of the body.
            next = next + 16
            if next < at.at or next > at.tvb:len() then return at:short("the next capability") end
            stop = next
        end
        decode(at, id, version, stop)
        if at.at < stop then at:bytes("padding", stop - at.at) end
    end
end
body[4] = function(at, reply)
    at:number("argsz", 4)
    at:number("request_flags", 4)
    at:number("regions", 4)
    at:number("irqs", 4)
    if at:left() >= 4 then at:number("cap_offset", 4) end
    if at:left() >= 4 then at:bytes("padding", 4) end
    if reply and at:left() > 0 then chain(at, clp_capability) elseif at:left() > 0 then at:bytes("padding", at:left()) end
end
body[5] = function(at, reply)
    at:number("argsz", 4)
    at:number("request_flags", 4)
    local region = at:number("region", 4)
    at:number("cap_offset", 4)
    local size = at:number("length", 8)
    at:number("offset", 8)
    if reply and at:left() > 0 then chain(at, region_capability) elseif at:left() > 0 then at:bytes("padding", at:left()) end
    if not region then return nil end
    return reply and size and string.format("region %d: 0x%s bytes", region, size:tohex()) or string.format("region %d", region)
end
body[6] = function(at)
    at:number("argsz", 4)
    at:number("request_flags", 4)
    at:number("region", 4)
    at:number("count", 4)
    if at:left() > 0 then at:bytes("padding", at:left()) end
end
body[7] = function(at)
    at:number("argsz", 4)
    at:number("request_flags", 4)
    local index = at:number("irq.index", 4)
    at:number("count", 4)
    if at:left() > 0 then at:bytes("padding", at:left()) end
    return index and string.format("index %d", index)
end
body[8] = function(at, reply)
    if reply then return end
    at:number("argsz", 4)
    local flags = at:number("request_flags", 4)
    local index, start = at:number("irq.index", 4), at:number("irq.start", 4)
    local count = at:number("count", 4)
    if flags and count and bit.band(flags, 2) ~= 0 then at:bytes("irq.bools", count) end
    return count and string.format("index %d, vectors %d to %d", index, start, start + count - 1)
end

local function access(at)
    local offset = at:number("offset", 8)
    local region, count = at:number("region", 4), at:number("count", 4)
    return offset, region, count
end
local function place(offset, region, count)
    return string.format("%s, offset 0x%s, %d B", REGIONS[region] or ("region " .. region), offset:tohex(), count)
end
local function region_data(at, offset, region, count, is_load)
    if region == ZPCI and not is_load and offset == UInt64(16) then return zpci_request(at, count, at.tree) end
    if region == ZPCI and is_load and offset == UInt64(48) then
        local load = remember("result", function() return loads[current.connection] end)
        if load and count == 8 then
            return device_data(at, load.pcias, load.offset, 8, true, at.tree)
        else
            at:bytes("zpci.result", count)
        end
        return nil
    end
    if region == ZPCI and is_load and offset == UInt64(0) and count >= 16 then
        at:number("zpci.flags", 8)
        at:number("zpci.max", 8)
        at:bytes("data", count - 16)
        return nil
    end
    if region < 6 then return device_data(at, region, offset, count, is_load, at.tree) end
    at:bytes("data", count)
    return nil
end
body[9] = function(at, reply)
    local offset, region, count = access(at)
    if not count then return nil end
    local told = place(offset, region, count)
    if reply then
        local data = region_data(at, offset, region, count, true)
        if data then told = told .. ": " .. data end
    end
    return told
end
body[10] = function(at, reply)
    local offset, region, count = access(at)
    if not count then return nil end
    local told = place(offset, region, count)
    if not reply then
        local data = region_data(at, offset, region, count, false)
        if data then told = data end
    end
    return told
end
local function transfer(with_data)
    return function(at, reply)
        local iova = at:number("iova", 8)
        -- QEMU 10 has a count of 4 bytes: what follows tells which it is.
        local count
        local data = reply == with_data.reply
        local left = at:left()
        if not iova or left < 4 then return at:number("count64", 8) and nil end
        local function word(ahead)
            local range = at.tvb(at.at + ahead, 4)
            return at.big and range:uint() or range:le_uint()
        end
        local narrow = word(0)
        -- QEMU 10 as its source has it: 4 bytes of padding end the message. A count of 8 bytes has zeros where such a
        -- message has its data (in big endian: its count); with data that begin with zeros the two are alike.
        local padded = data and left == 8 + narrow and (at.big and narrow or word(4)) ~= 0
        if padded then
            count = at:number("count", 4)
            at:bytes("data", count)
            at:bytes("padding", 4)
            data = false
        elseif (data and left == 4 + narrow) or (not data and left == 4) then
            count = at:number("count", 4)
        else
            count = at:number("count64", 8)
            count = count and count:tonumber()
        end
        if data and count then at:bytes("data", count) end
        return count and string.format("%d B at 0x%s", count, iova:tohex())
    end
end
body[11] = transfer({ reply = true })
body[12] = function(at, reply)
    if reply and at:left() == 0 then return nil end
    return transfer({ reply = false })(at, reply)
end
body[13] = function() end
body[15] = function(at, reply)
    local count = at:number("writes", 8)
    if not count or reply then return nil end
    for _ = 1, count:tonumber() do
        if at.ended or at:left() == 0 then break end
        local offset, region, bytes = access(at)
        if not bytes then break end
        local used = math.min(bytes, 8)
        region_data(at, offset, region, used, false)
        at:bytes("padding", 8 - used)
    end
    return count and string.format("%d writes", count:tonumber())
end
body[16] = function(at)
    at:number("argsz", 4)
    local range = at:take("request_flags", 4)
    if not range then return nil end
    local flags = at.big and range:uint() or range:le_uint()
    for _, part in ipairs({ "index", "get", "set", "probe" }) do
        local tree_field = fields["feature." .. part]
        if at.big then at.tree:add(tree_field, range) else at.tree:add_le(tree_field, range) end
    end
    at:bytes("data", at:left())
    local index = bit.band(flags, 0xffff)
    return string.format("feature %d%s", index, FEATURES[index] and " (" .. FEATURES[index] .. ")" or "")
end
-- Migration: the size of the data that follow, or that are wanted.
for _, command in ipairs({ 17, 18 }) do
    body[command] = function(at)
        at:number("argsz", 4)
        local size = at:number("count", 4)
        at:bytes("data", at:left())
        return size and string.format("%d B", size)
    end
end
body[14] = function(at)
    at:number("argsz", 4)
    at:number("request_flags", 4)
    at:bytes("data", at:left())
end

-- Returns what the columns say of the message.
local function message(tvb, tree, front, pinfo)
    local cut = front.length > tvb:len()
    local sub = tree:add(proto, tvb, "vfio-user message")
    local at = cursor(tvb, sub, front.big, cut)
    local id, command = at:number("id", 2), at:number("command", 2)
    local size = at:number("size", 4)
    local flags_at = at.at
    local flags = at:number("flags", 4)
    if flags then
        for _, name in ipairs({ "flags.type", "flags.no_reply", "flags.error" }) do
            if front.big then sub:add(fields[name], tvb(flags_at, 4)) else sub:add_le(fields[name], tvb(flags_at, 4)) end
        end
    end
    local errno = at:number("errno", 4)
    if not errno then return "a part of a message" end
    local kind = bit.band(flags, 0xf)
    local reply = kind == 1
    local failed = bit.band(flags, 0x20) ~= 0
    local name = COMMANDS[command] or ("command " .. command)
    local told = name .. (reply and " reply" or "")
    if kind > 1 or size < 16 or size ~= front.length then
        sub:add_proto_expert_info(experts.malformed, kind > 1 and "neither a command nor a reply" or ("size " .. size .. " of " .. front.length .. " bytes"))
        if at:left() > 0 then at:bytes("data", at:left()) end
        return told .. " (malformed)"
    end
    local key = front.connection .. "/" .. id .. "/" .. command .. "/" .. (reply ~= (front.kind == 1) and "server" or "client")
    if not pinfo.visited then
        if reply then
            answered[pinfo.number] = open[key]
            open[key] = nil
        else
            open[key] = pinfo.number
        end
    end
    if answered[pinfo.number] then
        sub:add(fields["request_in"], answered[pinfo.number]):set_generated()
    end
    if reply and failed then
        sub:add_proto_expert_info(experts.refused, name .. ": errno " .. errno)
        at:finish()
        return told .. ": errno " .. errno
    end
    local decode = body[command]
    local more
    if decode then
        more = decode(at, reply)
    elseif at:left() > 0 then
        at:bytes("data", at:left())
    end
    at:finish()
    return more and (told .. ": " .. more) or told
end

function proto.dissector(tvb, pinfo, tree)
    pinfo.cols.protocol = "vfio-user"
    local top = tree:add(proto, tvb)
    local header = top:add(proto, tvb(0, math.min(16, tvb:len())), "Capture")
    local at = cursor(tvb, header, false, false)
    local version = at:number("capture.version", 1)
    local kind = at:number("capture.kind", 1)
    local role = at:number("capture.role", 1)
    local order = at:number("capture.order", 1)
    local connection = at:number("capture.connection", 4)
    local descriptors = at:number("capture.descriptors", 2)
    at:number("capture.lost", 2)
    local length = at:number("capture.length", 4)
    if not length then return tvb:len() end
    if version ~= 1 or not KINDS[kind] then
        header:add_proto_expert_info(experts.malformed, "no capture of vfio-user-ism, or of a newer version")
        return tvb:len()
    end
    for _ = 1, descriptors do
        local sub = header:add(proto, tvb(at.at, math.min(16, at:left())), "Descriptor")
        at:number("capture.descriptor.kind", 1, sub)
        at:take("capture.descriptor.file", 7, sub)
        at:number("capture.descriptor.size", 8, sub)
    end
    if kind == 1 then
        pinfo.cols.src, pinfo.cols.dst = "server", "client " .. connection
    else
        pinfo.cols.src, pinfo.cols.dst = "client " .. connection, "server"
    end
    -- Instructions of one function come by either of its two clients.
    current = {
        number = pinfo.number, visited = pinfo.visited, connection = connection,
        function_ = tostring(interface()):gsub("%.insn$", ""),
    }
    local front = { kind = kind, big = order == 1, connection = connection, length = length }
    local told = KINDS[kind] .. " (" .. (ROLES[role] or "?") .. ")"
    if kind < 2 then
        if at:left() == 0 then
            if length > 0 then top:add_proto_expert_info(experts.cut, "nothing of the message was kept") end
        else
            told = message(tvb(at.at):tvb(), top, front, pinfo)
        end
    else
        at:finish()
    end
    if descriptors > 0 then told = told .. string.format(" [%d descriptors]", descriptors) end
    pinfo.cols.info = told
    return tvb:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, proto)
